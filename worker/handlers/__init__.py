"""The handlers that come with the service, by their entry points.

They know `apphub_jobs.contract` alone. Begin with `ingestion/handler.py` or `building/handler.py`.
"""

from apphub_jobs.contract import Handler
from worker.handlers.building import handler as building
from worker.handlers.ingestion import handler as ingestion

HANDLERS: dict[str, Handler] = {
    "catalog.ingestion.processRepository": ingestion.execute,
    "catalog.build.run": building.execute,
}
