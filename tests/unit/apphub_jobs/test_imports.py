"""Where names of the service are found, by who asks."""

import sys
import tomllib
from importlib.machinery import ModuleSpec
from pathlib import Path

import pytest

from apphub_jobs.process.handlers import SERVICE_PACKAGES, SERVICE_ROOT, ServicePackages
from tests import ROOT


@pytest.fixture
def service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a service, first on the path by a name that is a link."""
    root = tmp_path / "service"
    for name in ("domain", "worker"):
        (root / name).mkdir(parents=True)
        (root / name / "__init__.py").touch()
    link = tmp_path / "link"
    link.symlink_to(root)
    monkeypatch.setattr(sys, "path", [str(link), str(root)])
    return root


def add(directory: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make the operator's directory, last on the path."""
    directory.mkdir()
    monkeypatch.setattr(sys, "path", [*sys.path, str(directory)])
    return directory


def origin(spec: ModuleSpec | None) -> str | None:
    assert spec is not None
    return spec.origin


def test_the_names_are_those_of_the_packages_that_are_installed() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    installed = set(project["tool"]["hatch"]["build"]["targets"]["wheel"]["only-include"])
    assert installed - {"apphub_jobs_server.py"} == SERVICE_PACKAGES
    assert Path(SERVICE_ROOT) == ROOT.resolve()


def test_what_is_shown_is_found_in_the_service_alone(
    service: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = add(tmp_path / "own", monkeypatch)
    monkeypatch.setattr(sys, "path", [str(own), *sys.path])
    (own / "worker.py").touch()
    finder = ServicePackages({"worker"}, str(service))
    assert origin(finder.find_spec("worker")) == str(service / "worker" / "__init__.py")


def test_what_is_not_shown_is_not_there(service: Path) -> None:
    finder = ServicePackages({"worker"}, str(service))
    for name in ("domain", "eventlog"):
        with pytest.raises(ModuleNotFoundError, match=f"No module named '{name}'") as raised:
            finder.find_spec(name)
        assert raised.value.name == name


def test_an_operators_module_of_such_a_name_is_found(
    service: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = add(tmp_path / "own", monkeypatch)
    (own / "domain.py").touch()
    (own / "api").mkdir()  # As a namespace, without a file of its own.
    finder = ServicePackages((), str(service))
    assert origin(finder.find_spec("domain")) == str(own / "domain.py")
    namespace = finder.find_spec("api")
    assert namespace is not None
    assert list(namespace.submodule_search_locations or ()) == [str(own / "api")]


def test_all_other_names_are_left_to_others(service: Path) -> None:
    finder = ServicePackages((), str(service))
    assert finder.find_spec("json") is None
    assert finder.find_spec("tests.domain", [str(service)]) is None


class Elsewhere:
    """A finder that knows its places by itself, as those of editable installations do."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def find_spec(self, name: str, path: object = None, target: object = None) -> ModuleSpec | None:
        if name != "domain":
            return None
        spec = ModuleSpec(name, None, origin=str(self.file), is_package=True)
        spec.submodule_search_locations = [str(self.file.parent)]
        return spec


def test_a_finder_of_an_editable_installation_is_asked_too(
    service: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    finder = ServicePackages((), str(service))
    theirs = Elsewhere(tmp_path / "theirs" / "domain" / "__init__.py")
    monkeypatch.setattr(sys, "meta_path", [finder, theirs, *sys.meta_path])
    assert origin(finder.find_spec("domain")) == str(theirs.file)
    services = Elsewhere(service / "domain" / "__init__.py")
    monkeypatch.setattr(sys, "meta_path", [finder, services])
    with pytest.raises(ModuleNotFoundError):
        finder.find_spec("domain")
