"""Where what runs print is kept: a file for each execution, below the data directory."""

from pathlib import Path


def log_path(root: Path, run_id: str, attempt: int, execution: int) -> Path:
    """Return the file of one execution. Ids are UUIDs, so no path can leave the root."""
    return root / run_id[-2:] / run_id / f"attempt-{attempt:02}-execution-{execution:04}.log"


def log_paths(root: Path, run_id: str, attempt: int) -> list[Path]:
    """Return the files of an attempt's executions in order: several where it was handed back."""
    return sorted(log_path(root, run_id, 0, 0).parent.glob(f"attempt-{attempt:02}-execution-*.log"))


def logs_url(run_id: str, attempt: int) -> str:
    """Return where the API serves an attempt's log."""
    return f"/job-runs/{run_id}/logs?attempt={attempt}"
