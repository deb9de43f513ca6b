"""Handlers that are saved twice within a second are the last ones."""

import os
import py_compile
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

from cli.process.dev import forget_compiled


def test_what_python_has_kept_of_a_changed_file_is_forgotten(tmp_path: Path) -> None:
    handlers = tmp_path / "handlers.py"
    assert _saved(handlers, "ANSWER = 1\n") == 1
    py_compile.compile(str(handlers))
    assert _saved(handlers, "ANSWER = 2\n") == 1, "Python takes it for the first one"
    forget_compiled([str(handlers)])
    assert _answer(handlers) == 2
    forget_compiled([str(handlers), str(tmp_path / "gone.py")])


def _saved(path: Path, text: str) -> int:
    path.write_text(text)
    os.utime(path, (1_000_000_000, 1_000_000_000))
    return _answer(path)


def _answer(path: Path) -> int:
    spec = spec_from_file_location("handlers_now", path)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    answer: int = module.ANSWER
    return answer
