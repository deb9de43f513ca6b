"""The handlers that come with the service, by their entry points."""

from apphub_jobs.contract import Handler
from catalog.handlers import build, ingest

HANDLERS: dict[str, Handler] = {
    "catalog.ingestion.processRepository": ingest.execute,
    "catalog.build.run": build.execute,
}
