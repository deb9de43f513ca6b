"""A check reports what fails; it never ends the others."""

from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest

from cli import doctor
from cli.process.announcement import announced


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
    check = doctor.git()
    assert check.state == "wrong"
    assert "timed out" in check.message


class ProxyPage(BaseHTTPRequestHandler):
    """Answers 503 with a page, as a proxy does."""

    def do_GET(self) -> None:
        """Answer a request."""
        self.send_error(503)

    def log_message(self, *_: object) -> None:
        """Print nothing."""


def test_an_answer_without_reasons_is_reported_by_its_status(tmp_path: Path) -> None:
    with HTTPServer(("127.0.0.1", 0), ProxyPage) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}"
        with announced(tmp_path, url):
            check = doctor.service_is_ready(tmp_path)
        server.shutdown()
    assert (check.state, check.message) == ("wrong", f"{url} is not ready: it answers 503")
