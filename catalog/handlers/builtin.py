"""Which handlers come with the service, by their entry points."""

from apphub_jobs.contract import Handler
from catalog.handlers import build as building
from catalog.handlers import ingest as ingestion

HANDLERS: dict[str, Handler] = {
    "catalog.ingestion.processRepository": ingestion.execute,
    "catalog.build.run": building.execute,
}
