"""Handlers of the tests about what supervisors keep apart and end."""

import json
import os
import subprocess
import sys

from apphub_jobs.contract import Handler, JobResult, JobRunContext
from tests.support.handlers.harmful import leave_daemon


def leave_daemon_at_first(context: JobRunContext) -> JobResult:
    """Leave a daemon and go on, but do nothing when tried again."""
    return leave_daemon(context) if context.run["attempt"] == 1 else JobResult()


def show_descriptors(_: JobRunContext) -> JobResult:
    """Return what this process has open, and what a child that inherits all it can."""
    command = [
        sys.executable,
        "-I",
        "-S",
        "-c",
        f"import json, os\n{_OPEN}\nprint(json.dumps(found))",
    ]
    child = subprocess.run(command, stdout=subprocess.PIPE, close_fds=False, check=True)
    own: dict[str, object] = {"os": os}
    exec(_OPEN, own)
    return JobResult(
        result={"own": own["found"], "child": json.loads(child.stdout), "supervisor": os.getppid()}
    )


_OPEN = """
found = {}
for name in os.listdir("/proc/self/fd"):
    try:
        found[name] = os.readlink(f"/proc/self/fd/{name}")
    except FileNotFoundError:
        pass
"""


HANDLERS: dict[str, Handler] = {
    f"isolation.{handler.__name__}": handler
    for handler in (leave_daemon_at_first, show_descriptors)
}
