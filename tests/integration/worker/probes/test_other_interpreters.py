"""Handlers whose environment lacks `apphub-jobs`, or has one that does not fit."""

import json
import shlex
from pathlib import Path
from time import monotonic

import pytest

from tests import ROOT
from tests.support.environments import make_environment, set_contract
from tests.support.handlers.tasks import task_of
from worker.executors.local.executor import ProcessExecutor
from worker.executors.local.handler_process import pip_arguments
from worker.executors.local.probe import HandlersError, probe_packages
from worker.executors.packages import HandlerPackage, HandlerSource, Interpreter, collect_packages

LEASE_S = 300.0


def source(tmp_path: Path) -> HandlerSource:
    (tmp_path / "mine.py").write_text("HANDLERS = {'test.tell': lambda context: 'told'}\n")
    interpreter = Interpreter(str(tmp_path / "env" / "bin" / "python"))
    return HandlerSource(
        modules=("mine",), directories=(str(tmp_path),), interpreters={"mine": interpreter}
    )


@pytest.mark.parametrize(
    ("contract", "problem"),
    [
        (None, "has no apphub_jobs, or an older one"),
        (7, "has an apphub-jobs of contract 7, and the service keeps contract 1"),
    ],
)
def test_an_environment_that_does_not_fit_is_refused_with_the_remedy(
    contract: int | None, problem: str, tmp_path: Path
) -> None:
    make_environment(tmp_path / "env", contract=contract)
    with pytest.raises(HandlersError) as raised:
        probe_packages(collect_packages(source(tmp_path)))
    text = str(raised.value)
    python = tmp_path / "env" / "bin" / "python"
    assert text.startswith(f"{python}, which runs mine, {problem}: install apphub-jobs==")
    # The tests run from a checkout, which no index has.
    assert f"{python} -m pip install {ROOT / 'apphub_jobs'})" in text
    assert "--python PATH" in text


def test_the_remedy_is_to_install_what_the_service_was_installed_from(tmp_path: Path) -> None:
    wheel = tmp_path / "apphub_jobs 0.whl"
    origin = json.dumps({"url": wheel.as_uri(), "archive_info": {}})
    by_name = pip_arguments(None)
    assert by_name.startswith("apphub-jobs==")
    assert "--find-links" in by_name
    assert pip_arguments(origin) == by_name
    wheel.touch()
    assert shlex.split(pip_arguments(origin)) == [str(wheel)]


async def test_an_environment_that_was_changed_meanwhile_fails_the_attempt(tmp_path: Path) -> None:
    packages = make_environment(tmp_path / "env")
    package = probe_packages(collect_packages(source(tmp_path)))["test.tell"]
    assert package.interpreter is not None
    assert package.interpreter.version
    assert await outcome(package, tmp_path) == ("result", "told")
    set_contract(packages, 2)
    kind, message = await outcome(package, tmp_path)
    assert kind == "invalid"
    assert "has an apphub-jobs of another contract: install apphub-jobs==" in str(message)


async def outcome(package: HandlerPackage, tmp_path: Path) -> tuple[str, object]:
    executor = ProcessExecutor({"test.tell": package}, 1)
    until = monotonic() + LEASE_S
    executor.renew(until)
    try:
        attempt = await executor.submit(task_of("tell", tmp_path / "log"), lambda _: None, until)
        ended = await attempt.outcome()
    finally:
        await executor.aclose()
    return ended.kind, ended.message.get("result", ended.message.get("message"))
