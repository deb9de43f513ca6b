"""A check reports what fails; it never ends the others."""

from pathlib import Path

import pytest

from cli import doctor


@pytest.mark.parametrize("script", ["#!/bin/sh\nexit 1", "#!/no/such/interpreter", "\x7fELF"])
def test_a_git_that_cannot_be_run_is_wrong(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str
) -> None:
    program = tmp_path / "git"
    program.write_text(script)
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    check = doctor.git()
    assert check.state == "wrong"
    assert check.message.startswith("git cannot be run: ")
    assert check.remedy


def test_a_git_that_does_not_answer_is_wrong(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "git"
    program.write_text("#!/bin/sh\nexec sleep 60")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    monkeypatch.setattr(doctor, "GIT_TIMEOUT_S", 0.1)
    assert doctor.git().state == "wrong"
