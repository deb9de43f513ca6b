"""The examples of the chapters on handlers and the client do what they say."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from apphub_jobs import Client
from tests import ROOT
from tests.e2e.support import at_work

PRINTED = [
    ["['Hello, Ada!', 'Hello, Ada!']", "greeting 1 of 2", "greeting 2 of 2"],
    [],
    ["greet"],
    ["validation_failed /parameters/name", "permanent_error there is nobody to greet"],
    ["ada bo ada ada"],
    ["replaced pending"],
]
"""What each example of the client, and then those of turns and of unique runs, prints, in this
order."""


def examples(chapter: str) -> list[str]:
    """Return the Python code in a chapter."""
    text = (ROOT / "docs" / chapter).read_text()
    return re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


@pytest.mark.timeout(240)
def test_the_documented_examples_work(
    database_server: str, shared_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    typed, plain = examples("handlers.md")
    (tmp_path / "example.py").write_text(typed)
    (tmp_path / "texts.py").write_text(plain)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    data_dir = tmp_path / "data"
    modules = ("--handlers", "example", "--handlers", "texts")
    with at_work(database_server, shared_dir, data_dir, *modules) as http:
        monkeypatch.setenv("APPHUB_URL", str(http.base_url))
        codes = examples("client.md") + examples("jobs-and-runs.md")
        for code, expected in zip(codes, PRINTED, strict=True):
            printed = subprocess.run(
                [sys.executable, "-c", code],
                check=True,
                capture_output=True,
                text=True,
                cwd=tmp_path,
                timeout=100,
            ).stdout
            assert [part for part in expected if part not in printed] == []
        with Client() as client:
            client.register(
                {"slug": "count", "name": "Count", "type": "batch", "entryPoint": "texts.count"}
            )
            run = client.launch("count", {"text": "to be or not"})
            assert run.result(timeout=90) == 4
            assert run.refresh()["metrics"]["words"] == 4


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_the_documented_tests_pass(tmp_path: Path) -> None:
    handlers = examples("handlers.md")[0]
    calls, conftest, tests = examples("testing.md")
    files = {
        "example.py": handlers,
        "conftest.py": conftest,
        "test_calls.py": calls,
        "test_service.py": tests,
    }
    for name, content in files.items():
        (tmp_path / name).write_text(content)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    options = ["--rootdir", str(tmp_path), "-W", "error", "--basetemp"]
    tested = subprocess.run(
        [*command, *options, str(tmp_path / "temporary")],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        timeout=200,
        check=False,
    )
    assert "3 passed" in tested.stdout, tested.stdout + tested.stderr
