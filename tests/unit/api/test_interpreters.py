"""Which Python runs handlers: the named one, the active one, the project's, the service's own."""

import sys
from pathlib import Path

import pytest

from api.bootstrap.handlers import handler_source


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a project with an environment and two modules of handlers, and go there."""
    (tmp_path / "pyproject.toml").touch()
    (tmp_path / "jobs").mkdir()
    for name in ("jobs/__init__.py", "more.py"):
        (tmp_path / name).touch()
    for name in (".venv", "active", "named"):
        environment(tmp_path / name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("VIRTUAL_ENV", raising=False)
    return tmp_path


def environment(directory: Path) -> None:
    (directory / "bin").mkdir(parents=True)
    (directory / "bin" / "python").symlink_to(sys.executable)


def chosen(*modules: str, pythons: tuple[str, ...] = ()) -> dict[str, str]:
    """Return the environment of each module, by its path from here."""
    here = f"{Path.cwd()}/"
    interpreters = handler_source(modules, None, pythons=pythons).interpreters
    return {
        module: interpreter.path.removeprefix(here).removesuffix("/bin/python")
        for module, interpreter in interpreters.items()
    }


def test_the_projects_environment_is_taken_unless_another_is_active(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert chosen("jobs.daily", "more.py") == {"jobs.daily": ".venv", "more": ".venv"}
    monkeypatch.setenv("VIRTUAL_ENV", str(project / "active"))
    assert chosen("jobs.daily") == {"jobs.daily": "active"}
    monkeypatch.setenv("VIRTUAL_ENV", sys.prefix)
    assert chosen("jobs.daily") == {}  # The service's own.


def test_what_is_named_comes_before_what_is_active(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VIRTUAL_ENV", str(project / "active"))
    assert chosen("jobs", "more", pythons=("named", "more:.venv/bin/python")) == {
        "jobs": "named",
        "more": ".venv",
    }
    assert chosen("jobs", "more.py", pythons=(sys.executable, "more.py:named")) == {"more": "named"}


def test_a_file_lists_handlers_with_their_pythons(project: Path) -> None:
    (project / "lists").mkdir()
    (project / "lists" / "all.yaml").write_text(
        "- package: jobs\n  python: ../named\n- package: ../more.py\n"
    )
    source = handler_source(["lists/all.yaml"], None)
    assert list(source.modules) == ["jobs", "more"]
    assert chosen("lists/all.yaml") == {"jobs": "named", "more": ".venv"}


@pytest.mark.parametrize(
    ("python", "message"),
    [
        ("no/such/python", "no/such/python is not there, or cannot be run"),
        ("other:named", "no handlers are called 'other'; there are: jobs"),
        (":named", "':named' is neither PATH nor MODULE:PATH"),
        ("jobs:", "'jobs:' is neither PATH nor MODULE:PATH"),
    ],
)
def test_an_option_that_names_no_interpreter_is_refused(
    python: str, message: str, project: Path
) -> None:
    del project
    with pytest.raises(ValueError, match="--python") as raised:
        handler_source(["jobs"], None, pythons=[python])
    assert message in str(raised.value)


@pytest.mark.parametrize("content", ["jobs", "- jobs", "- {python: a}", "- {package: a, b: c}"])
def test_a_list_of_another_form_is_refused(content: str, project: Path) -> None:
    (project / "list.yaml").write_text(content)
    with pytest.raises(ValueError, match=r"list\.yaml must hold a list of handlers"):
        handler_source(["list.yaml"], None)
