"""The context that a handler is given, for tests that call handlers in their own process."""

import logging
import threading
from collections.abc import Mapping
from typing import Any

from apphub_jobs.contract import JobRunContext
from apphub_jobs.details import DefinitionDetails, RunDetails


class Reports(list[dict[str, Any]]):
    """What the handler reported while it ran."""


def context_of(
    inputs: Mapping[str, Any] | None = None,
    settings: Mapping[str, Any] | None = None,
    reports: Reports | None = None,
    *,
    run: RunDetails | None = None,
    parameters: Mapping[str, Any] | None = None,
) -> JobRunContext:
    """Return a context that logs to `tests.handler`."""
    gathered = Reports() if reports is None else reports
    return JobRunContext(
        definition=DefinitionDetails(),
        run=run or RunDetails(),
        parameters=parameters or {},
        inputs=inputs or {},
        settings=settings or {"allowPrivateRepositories": True},
        logger=logging.getLogger("tests.handler"),
        cancelled=threading.Event(),
        deadline=None,
        send_report=lambda report: gathered.append(dict(report)),
    )
