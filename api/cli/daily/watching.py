"""Following all runs of a service: a line for each start and each end."""

from api.cli.screen import console, print_json
from api.process.telling.line_texts import text_of
from api.process.telling.run_lines import TYPES, RunLines
from apphub_jobs.client import Client


def watch_all(client: Client, job: str | None, *, as_json: bool) -> None:
    """Print what happens to runs until Ctrl-C."""
    out = console()
    lines = RunLines()
    types = ",".join(sorted(TYPES))
    for message in client.stream(types=types, job=job):
        if as_json:
            print_json(message)
            continue
        line = lines.line(message)
        if line is not None:
            out.print(text_of(line))
