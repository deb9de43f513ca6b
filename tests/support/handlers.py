"""Handlers for tests, installed as an operator's are: `--handlers tests.support.handlers`."""

import ctypes
import fcntl
import io
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

from apphub_jobs.contract import Handler, JobResult, JobRunContext, PermanentError, RetryAfter


def noop(_: JobRunContext) -> None:
    """Do nothing."""


def leave_traces(context: JobRunContext) -> JobResult:
    """Return what an attempt before has left, then leave as much as can be left behind."""
    seen = {
        "cwd": str(Path.cwd()),
        "files": sorted(path.name for path in Path.cwd().iterdir()),
        "variable": os.environ.get("LEFT_BEHIND"),
        "umask": os.umask(0o77),
        "stdout": sys.stdout is sys.__stdout__,
        "path": "left-behind" in sys.path,
        "handlers": len(logging.getLogger().handlers),
        "ignored": signal.getsignal(signal.SIGUSR1) == signal.SIG_IGN,
        "threads": threading.active_count(),
        "pid": os.getpid(),
    }
    Path("left-behind").touch()
    os.environ["LEFT_BEHIND"] = "yes"
    sys.path.append("left-behind")
    logging.getLogger().addHandler(logging.NullHandler())
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    signal.setitimer(signal.ITIMER_REAL, 3_600)
    sys.stdout = io.StringIO()
    match context.parameters.get("leave"):
        case "thread":
            threading.Thread(target=time.sleep, args=(3_600,), daemon=True).start()
        case "descriptor":
            os.dup(0)
        case "child":
            subprocess.Popen(["sleep", "3600"])
        case "memory":
            MEMORY.append(bytearray(100_000_000))
    return JobResult(result=seen)


MEMORY: list[bytearray] = []


def use_memory(_: JobRunContext) -> None:
    """Use 200 MB for a moment, and give them back."""
    bytearray(b"x") * 200_000_000


def print_from_c(_: JobRunContext) -> None:
    """Print by the C library, which writes what it has gathered later."""
    ctypes.CDLL(None).printf(b"printed from C\n")


def echo(context: JobRunContext) -> JobResult:
    """Return the parameters, and report a little of everything."""
    print("printed by the handler")
    context.logger.info("logged by the handler")
    return JobResult(
        result={"parameters": dict(context.parameters), "attempt": context.run["attempt"]},
        metrics={"seen": len(context.parameters)},
        context={"handler": "echo"},
    )


async def asynchronous(context: JobRunContext) -> JobResult:
    """Return from a coroutine."""
    return JobResult(result=dict(context.parameters))


def fail(context: JobRunContext) -> None:
    """Raise."""
    msg = f"failing on purpose, attempt {context.run['attempt']}"
    raise RuntimeError(msg)


def fail_permanently(_: JobRunContext) -> None:
    """Raise what no retry can help."""
    raise PermanentError("never again")


def retry_after(context: JobRunContext) -> JobResult:
    """Ask for a second attempt soon, which succeeds."""
    if context.run["attempt"] == 1:
        raise RetryAfter(10, "soon")
    return JobResult()


def succeed_at_third(context: JobRunContext) -> JobResult:
    """Fail twice."""
    if context.run["attempt"] < 3:
        msg = "not yet"
        raise RuntimeError(msg)
    return JobResult(result="at last")


def as_told(context: JobRunContext) -> JobResult:
    """End with the status that the parameters name."""
    return JobResult(
        status=context.parameters["status"], error_message=context.parameters.get("message")
    )


def exit_process(context: JobRunContext) -> None:
    """End without a word."""
    os._exit(context.parameters.get("code", 3))


def wait(context: JobRunContext) -> JobResult:
    """Run until canceled, or for `forMs`."""
    deadline = time.monotonic() + context.parameters.get("forMs", 60_000) / 1000
    print("waiting", flush=True)
    while time.monotonic() < deadline:
        if context.cancelled.wait(0.02):
            return JobResult(status="canceled", error_message="stopped when asked")
    return JobResult(result="waited")


def count(context: JobRunContext) -> JobResult:
    """Print numbered lines of a given width, then run on until the file `until` is there."""
    for number in range(context.parameters["lines"]):
        print(f"line {number:06}".ljust(context.parameters.get("width", 20), "."), flush=True)
        time.sleep(context.parameters.get("everyMs", 0) / 1000)
    while not Path(context.parameters["until"]).exists():
        if context.cancelled.wait(0.02):
            return JobResult(status="canceled")
    return JobResult()


def ignore_cancel(context: JobRunContext) -> None:
    """Run on, whatever anybody asks."""
    time.sleep(context.parameters.get("forMs", 60_000) / 1000)


def progress(context: JobRunContext) -> JobResult:
    """Report while running."""
    for step in range(1, 4):
        context.update(metrics={"step": step}, context={f"step{step}": True})
        time.sleep(0.3)
    return JobResult(metrics={"done": True})


def once_at_a_time(context: JobRunContext) -> JobResult:
    """Fail if another process holds the lock file at the same time."""
    lock = Path(context.parameters["lock"])
    descriptor = os.open(lock, os.O_CREAT | os.O_EXCL)
    try:
        time.sleep(context.parameters.get("forMs", 20) / 1000)
    finally:
        os.close(descriptor)
        lock.unlink()
    return JobResult()


def exclusive(context: JobRunContext) -> JobResult:
    """Hold the lock file of this run, and note the time; the kernel refuses a second holder."""
    directory = Path(context.parameters["directory"])
    with (directory / str(context.run["id"])).open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            (directory / "twice").touch()
            raise
        time.sleep(context.parameters.get("forMs", 50) / 1000)
        file.write("ran\n")
    return JobResult()


def counted(context: JobRunContext) -> JobResult:
    """Return how many run at the same time, as the handlers themselves see it."""
    directory = Path(context.parameters["directory"])
    mine = directory / str(context.run["id"])
    mine.touch()
    most = 0
    for _ in range(20):
        most = max(most, len(list(directory.iterdir())))
        time.sleep(0.01)
    mine.unlink()
    return JobResult(result=most)


def environment(_: JobRunContext) -> JobResult:
    """Return what the process sees."""
    return JobResult(
        result={"environment": dict(os.environ), "directory": str(Path.cwd()), "path": sys.path}
    )


def no_json(_: JobRunContext) -> JobResult:
    """Return what JSON cannot hold."""
    return JobResult(result={1, 2, 3})


def leave_daemon(context: JobRunContext) -> JobResult:
    """Leave a grandchild in its own session that ignores SIGTERM and writes the time; go on."""
    if os.fork() == 0:
        os.setsid()
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        if os.fork() == 0:
            while True:
                with Path(context.parameters["file"]).open("a") as file:
                    file.write(f"{os.getpid()} {time.monotonic()}\n")
                time.sleep(0.02)
        os._exit(0)
    while not Path(context.parameters["file"]).exists():
        time.sleep(0.01)
    for _ in range(context.parameters.get("lines", 0)):
        print("x" * 1_000)
    return wait(context)


def segfault(_: JobRunContext) -> None:
    """Crash in C."""
    ctypes.string_at(0)


def grow(_: JobRunContext) -> None:
    """Use more and more memory, in a grandchild."""
    subprocess.run(
        [
            sys.executable,
            "-c",
            (
                "import time; hold = []\n"
                "while True: hold.append(bytearray(5_000_000)); time.sleep(.005)"
            ),
        ],
        check=True,
    )


def flood(_: JobRunContext) -> JobResult:
    """Print 100 MB, from C as well."""
    line = b"x" * 999 + b"\n"
    for _step in range(100_000):
        os.write(1, line)
    return JobResult(result="flooded")


def print_binary(_: JobRunContext) -> None:
    """Print what is no text."""
    os.write(1, bytes(range(256)) * 3 + b"\n")


def kill_itself(_: JobRunContext) -> None:
    """Die by a signal."""
    os.kill(os.getpid(), signal.SIGKILL)


def not_a_number(_: JobRunContext) -> JobResult:
    """Return what only Python takes for JSON."""
    return JobResult(result=float("nan"))


def large_result(_: JobRunContext) -> JobResult:
    """Return more than a result may hold."""
    return JobResult(result="x" * 2_000_000)


HANDLERS: dict[str, Handler] = {
    f"test.{handler.__name__}": handler
    for handler in (
        noop,
        echo,
        asynchronous,
        fail,
        fail_permanently,
        retry_after,
        succeed_at_third,
        as_told,
        exit_process,
        wait,
        count,
        ignore_cancel,
        progress,
        once_at_a_time,
        exclusive,
        counted,
        environment,
        no_json,
        leave_daemon,
        leave_traces,
        print_from_c,
        use_memory,
        segfault,
        grow,
        flood,
        print_binary,
        large_result,
        kill_itself,
        not_a_number,
    )
}
