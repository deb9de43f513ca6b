"""The handlers that come with the service, by their entry points. They know `worker.contract` alone."""

from worker.contract import Handler
from worker.handlers import build, ingestion

HANDLERS: dict[str, Handler] = {
    "catalog.ingestion.processRepository": ingestion.execute,
    "catalog.build.run": build.execute,
}
