"""For tests of jobs: `call` runs a job's function in the test's own process, as a run would.

Begin with `calls.py`.
"""

from apphub_jobs.testing.calls import acall, call

__all__ = ["acall", "call"]
