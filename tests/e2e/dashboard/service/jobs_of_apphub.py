"""Jobs as AppHub has them, for the dashboard to show."""

from typing import Annotated, Any, Literal

from pydantic import Field

from apphub_jobs import JobResult, JobRunContext, PermanentError, job


@job(name="Scan for secrets", metadata={"description": "Looks for keys and passwords."})
def scan_secrets(
    repository: Annotated[str, Field(min_length=3, description="which app to scan")],
    depth: Annotated[int, Field(ge=1, le=5)] = 1,
    branch: Literal["main", "next"] = "main",
) -> int:
    """Look for secrets in a repository."""
    print(f"scanning {repository} at {branch}")
    if repository == "vanished":
        raise PermanentError(f"repository {repository} does not exist")
    if repository.startswith("private-"):
        raise PermanentError(f"{repository} may not be read")
    return depth


@job(name="Nightly statistics", max_concurrent_runs=2)
def nightly_statistics(context: JobRunContext, *, until_canceled: bool = False) -> Any:
    """Count what the day has brought."""
    line = 0
    while True:
        line += 1
        print(f"row {line}", flush=True)
        if context.cancelled.wait(0.02):
            return JobResult(status="canceled")
        if line == 5 and not until_canceled:
            return line


@job(name="Index words", metadata={"description": "Prints much, and in colours."})
def index_words(lines: Annotated[int, Field(ge=1)]) -> int:
    """Print a line for each word."""
    for line in range(1, lines + 1):
        print(f"word {line} of {lines}: {line % 97:03} letters, {line % 89:02} places")
    print("\x1b[32mall is \x1b[1mindexed\x1b[0m")
    print("5 %\r50 %\r100 %")
    print("a long line " * 50)
    return lines


@job(name="Render previews", retries=2, retry_delay="200ms")
def render_previews(
    context: JobRunContext, app: str, pages: Annotated[int, Field(ge=1)] = 3
) -> Any:
    """Take pictures of an app's pages."""
    for page in range(1, pages + 1):
        print(f"page {page} of {app}")
        if context.run.attempt == 1 and page == pages:
            raise ConnectionError("the browser did not answer within 30 s")
        context.update(progress=page / pages, metrics={"pages": page})
    return {"pictures": [f"{app}-{page}.webp" for page in range(1, pages + 1)]}


@job(name="Send release notes", worker_labels={"network": "outside"})
def send_release_notes(app: str, version: str, channels: tuple[str, ...] = ()) -> None:
    """Tell those who follow an app."""


@job(name="Purge image cache", rate_limit=1, rate_period="1h")
def purge_image_cache(older_than_days: Annotated[int, Field(ge=1)] = 30) -> int:
    """Remove images that nobody has asked for."""
    return older_than_days


JOBS = (scan_secrets, nightly_statistics, render_previews, send_release_notes, purge_image_cache)
