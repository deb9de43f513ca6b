"""What `apphub-jobs demo` shows, from the start of everything to its end."""

import asyncio
import os
import tempfile
from pathlib import Path

from rich.console import Console

from api.bootstrap.handler_settings import handler_settings
from api.cli.demo.catalog import show_catalog
from api.cli.demo.recovery import show_recovery, write_handler
from api.cli.demo.running import service
from api.cli.demo.watching import watching
from api.cli.options import read
from api.cli.running.builders import Builder, builder_found

PLAIN_WIDTH = 140
"""Where the output is no terminal, nobody tells its width; at this one no line is broken in two."""


def run_demo(repository: Path) -> int:
    """Run the demonstration; return 0 if the repository was ingested and the killed run recovered.

    Where no image can be built, builds are left out.
    """
    console = Console()
    if not console.is_terminal:
        console = Console(width=PLAIN_WIDTH)
    settings = read(lambda: handler_settings(os.environ, Path()))
    builder = builder_found(settings)
    demonstrating = _demonstrate(repository.resolve(), console, builder)
    return asyncio.run(demonstrating)


async def _demonstrate(repository: Path, console: Console, builder: Builder) -> int:
    with tempfile.TemporaryDirectory(prefix="apphub-demo-") as name:
        directory = Path(name)
        console.print(
            "[bold]AppHub Jobs[/] starts from nothing:"
            " a private PostgreSQL, migrations, API and worker"
        )
        handler = write_handler(directory)
        async with service(directory, handler) as url:
            console.print(f"ready at {url}")
            if not builder.usable:
                console.print(f"images are not built here: {builder.told}")
            console.print()
            async with watching(url, console, with_builds=builder.usable) as watch:
                status = await show_catalog(url, console, watch, repository, directory)
                recovered = await show_recovery(url, console, watch)
    if status != "ready":
        console.print(f"the ingestion ended as {status}")
        return 1
    if not recovered:
        console.print("the run whose worker was killed did not succeed")
        return 1
    console.print("\nstopped; nothing is left behind")
    return 0
