"""The tutorial's job, and the tests that it has its readers write."""

import re
import sys
from importlib import import_module
from pathlib import Path

import pytest

from tests import ROOT

TUTORIAL = (ROOT / "docs" / "tutorial.md").read_text()


def test_the_job_passes_its_own_tests(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    job, tests, _ = re.findall(r"```python\n(.*?)```", TUTORIAL, re.DOTALL)
    (tmp_path / "words.py").write_text(job)
    (tmp_path / "test_words.py").write_text(tests)
    monkeypatch.syspath_prepend(tmp_path)
    try:
        own = import_module("test_words")
        own.test_words_are_counted(tmp_path)
        own.test_a_relative_path_is_refused()
        definition = sys.modules["words"].count_words.definition
    finally:
        for name in ("words", "test_words"):
            sys.modules.pop(name, None)
    assert definition["slug"] == "count-words"
    assert f"run {definition['slug']} " in TUTORIAL
