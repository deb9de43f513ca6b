"""Commands of `apphub-jobs` in the test's own process: that takes a tenth of a process's time."""

import sys
from collections.abc import Mapping, Sequence
from functools import cache
from typing import NamedTuple

from typer.main import get_command
from typer.testing import CliRunner

from cli.main import complete

command_of = cache(get_command)
"""Typer makes all commands anew for each call, which takes longer than most of them."""


class Done(NamedTuple):
    """How a command ended."""

    returncode: int
    stdout: str
    stderr: str


def typed(words: Sequence[str], env: Mapping[str, str | None], stdin: str = "") -> Done:
    """Run a command to its end; what it does not answer itself is raised.

    Some commands make a loop of their own, so no loop may be running here.

    Args:
        words: what is typed after `apphub-jobs`.
        env: variables beside those of the process; None takes one away.
        stdin: what is typed while it runs.
    """
    with CliRunner().isolation(stdin, env) as (stdout, stderr, _):
        returncode: object = None
        try:
            command_of(complete()).main(words, "apphub-jobs")
        except SystemExit as end:
            returncode = end.code
        sys.stdout.flush()
        sys.stderr.flush()
        assert isinstance(returncode, int)
        return Done(returncode, stdout.getvalue().decode(), stderr.getvalue().decode())
