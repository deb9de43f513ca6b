"""A module of handlers whose import takes an hour."""

import time

from apphub_jobs.contract import Handler

time.sleep(3_600)

HANDLERS: dict[str, Handler] = {}
