"""Which of the worker's variables an operator passes to handlers."""

import json
import logging
from pathlib import Path

import pytest

from api.bootstrap.handlers import handler_source, passed_variables, warn_of_unset_variables
from worker.executors.packages import TRUSTED, collect_packages, read_commands


@pytest.fixture
def commands(tmp_path: Path) -> Path:
    """Give a file with three commands, one of which is given a variable."""
    file = tmp_path / "commands.json"
    descriptions = {
        "plain": ["/bin/cat"],
        "keyed": {"command": ["/bin/cat"], "passEnv": ["KEY"]},
        "other": {"command": ["/bin/cat"]},
    }
    file.write_text(json.dumps(descriptions))
    return file


def test_each_package_gets_what_it_is_given_and_what_all_are_given(commands: Path) -> None:
    access = passed_variables(TRUSTED, ["ALL,EVERY", "jobs:API_KEY", "command.other:X"])
    packages = collect_packages(handler_source(["jobs", "more"], commands, access))
    passed = {(*package.modules, *package.commands): set(package.pass_env) for package in packages}
    assert passed[("jobs", "more")] == {"ALL", "EVERY", "API_KEY"}
    assert passed[("plain",)] == {"ALL", "EVERY"}
    assert passed[("keyed",)] == {"ALL", "EVERY", "KEY"}
    assert passed[("other",)] == {"ALL", "EVERY", "X"}
    assert passed[("catalog.handlers.builtin",)] == set()


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ("A=1", "'A=1' is no name of a variable"),
        ("", "'' is no name of a variable"),
        ("A,,B", "'' is no name of a variable"),
        ("HOME", "HOME cannot be passed"),
        (":KEY", "names no module before the colon"),
        ("jobs:1", "'1' is no name of a variable"),
    ],
)
def test_what_cannot_be_passed_is_refused(names: str, message: str) -> None:
    with pytest.raises(ValueError, match=f"^--pass-env: .*{message}"):
        passed_variables(TRUSTED, [names])


def test_variables_for_handlers_that_are_not_there_are_refused(commands: Path) -> None:
    access = passed_variables(TRUSTED, ["jobz:KEY"])
    with pytest.raises(ValueError, match=r"called 'jobz'; there are: jobs, command.pl"):
        collect_packages(handler_source(["jobs"], commands, access))


@pytest.mark.parametrize(
    ("description", "message"),
    [
        ({"command": ["/bin/cat"], "passEnv": "KEY"}, "passEnv is a list"),
        ({"command": ["/bin/cat"], "passEnv": ["TMPDIR"]}, "TMPDIR cannot be passed"),
        ({"command": ["/bin/cat"], "env": {}}, "not 'env'"),
        ({"passEnv": ["KEY"]}, "a command is a list of texts"),
    ],
)
def test_a_command_that_is_described_wrongly_is_refused(
    tmp_path: Path, description: object, message: str
) -> None:
    file = tmp_path / "commands.json"
    file.write_text(json.dumps({"one": description}))
    with pytest.raises(ValueError, match=message):
        read_commands(file)


def test_a_variable_that_is_not_set_is_told_with_whose_it_is(
    caplog: pytest.LogCaptureFixture,
) -> None:
    access = passed_variables(TRUSTED, ["KEY,THERE"])
    packages = collect_packages(handler_source(["jobs"], None, access))
    with caplog.at_level(logging.WARNING):
        warn_of_unset_variables(packages, {"THERE": ""})
    [message] = caplog.messages
    assert message.startswith("KEY is not set here, and is not passed to the handlers of")
    assert "jobs" in message
