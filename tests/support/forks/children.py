"""The service's own programs as a forked process starts them: forked as well.

`up` and `dev` start an API and a worker, each of which would take a second to import its code.
"""

import atexit
import ctypes
import gc
import os
import signal
import subprocess
import sys
import threading
import traceback
from collections.abc import Collection, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, NoReturn

from cli import main as commands

_PROGRAM = [sys.executable, "-P", "-m", "apphub_jobs"]


def become(words: Sequence[str], environment: Mapping[str, str]) -> None:
    """Take the arguments and the environment of a process of one's own."""
    # What it shows of itself as a program.
    sys.modules["__main__"].__package__ = commands.__package__
    sys.argv = [str(Path(commands.__file__).with_name("__main__.py")), *words]
    os.environ.clear()
    os.environ.update(environment)
    fields = Path("/proc/self/stat").read_bytes().rpartition(b")")[2].split()
    begin, end = (int(field) for field in fields[45:47])
    shown = b"".join(os.fsencode(word) + b"\0" for word in (*_PROGRAM, *words))
    ctypes.memmove(begin, shown[: end - begin].rjust(end - begin, b" "), end - begin)


class Popen(subprocess.Popen[Any]):
    """Starts programs, but goes on in the fork where one is the service's own."""

    def __init__(
        self,
        args: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        pass_fds: Collection[int] = (),
        **named: Any,
    ) -> None:
        if list(args[: len(_PROGRAM)]) == _PROGRAM:
            words = args[len(_PROGRAM) :]
            environment = dict(os.environ if env is None else env)
            # It does not return: nothing is executed.
            named["preexec_fn"] = lambda: _run(words, environment, pass_fds)
        super().__init__(args, env=env, pass_fds=pass_fds, **named)


def _run(words: Sequence[str], environment: Mapping[str, str], kept: Collection[int]) -> NoReturn:
    """Run the service's command in a fork of another one, of which nothing may go on."""
    for below, above in pairwise([2, *sorted(kept), os.sysconf("SC_OPEN_MAX")]):
        os.closerange(below + 1, above)
    gc.enable()
    atexit._clear()
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    # A thread that is gone may have locked these.
    sys.stdout = os.fdopen(1, "w", closefd=False)
    sys.stderr = os.fdopen(2, "w", buffering=1, errors="backslashreplace", closefd=False)
    sys.path.pop(0)  # By -P.
    become(words, environment)
    code: int | str | None = 1
    try:
        commands.main()
    except SystemExit as end:
        code = end.code
        if isinstance(code, str):
            print(code, file=sys.stderr)
    except BaseException:  # noqa: BLE001 - as an interpreter does
        traceback.print_exc()
    finally:
        threading._shutdown()  # type: ignore[attr-defined]
        atexit._run_exitfuncs()
        sys.stdout.flush()
        os._exit(code if isinstance(code, int) else int(code is not None))
