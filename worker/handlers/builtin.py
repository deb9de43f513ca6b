"""Which handlers come with the service, by their entry points."""

from apphub_jobs.contract import Handler
from worker.handlers.building import handler as building
from worker.handlers.ingestion import handler as ingestion

HANDLERS: dict[str, Handler] = {
    "catalog.ingestion.processRepository": ingestion.execute,
    "catalog.build.run": building.execute,
}
