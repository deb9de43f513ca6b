"""Stand-ins for builders on PATH: each notes how it is called, and answers as recorded."""

import json
import shutil
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

_SCRIPT = """
import json, os, shutil, sys
from pathlib import Path

name, arguments = Path(sys.argv[1]).name, sys.argv[2:]
directory = Path(sys.argv[1]).parent.parent / "fakes"
names = ("DOCKER_CONFIG", "HOME", "XDG_RUNTIME_DIR")
noted = {name: os.environ[name] for name in names if name in os.environ}
with (directory / "calls").open("a") as calls:
    calls.write(json.dumps({"command": [name, *arguments], "environment": noted}) + "\\n")
for answer in json.loads((directory / f"{name}.json").read_text()):
    if answer["word"] in arguments:
        for option, text in answer["files"].items():
            Path(arguments[arguments.index(option) + 1]).write_text(text)
        for option, source in answer["copies"].items():
            if option.endswith(":"):
                shutil.copytree(source, arguments[-1].removeprefix(option))
            else:
                shutil.copy(source, arguments[arguments.index(option) + 1])
        sys.stdout.write(answer["out"])
        sys.stderr.write(answer["err"])
        sys.exit(answer["code"])
sys.exit(f"no answer was recorded for {arguments}")
"""


@dataclass(frozen=True)
class Answer:
    """What a program does when one of its arguments is this word.

    Attributes:
        files: what it writes into the file that follows an option.
        copies: what it copies to the place that follows an option, or a prefix such as `oci:` of
            its last argument.
    """

    word: str
    out: str = ""
    err: str = ""
    code: int = 0
    files: dict[str, str] = field(default_factory=dict)
    copies: dict[str, str] = field(default_factory=dict)


class FakeBuilders:
    """A PATH with git and tar and those builders that a test puts there."""

    def __init__(self, directory: Path) -> None:
        self.bin = directory / "bin"
        self.bin.mkdir()
        self._fakes = directory / "fakes"
        self._fakes.mkdir()
        (self._fakes / "script.py").write_text(_SCRIPT)
        for needed in ("git", "tar", "sh", "rm", "env"):
            program = shutil.which(needed)
            assert program, f"the tests need {needed}"
            (self.bin / needed).symlink_to(program)

    def add(self, name: str, answers: Sequence[Answer]) -> None:
        """Put a builder on the PATH; the first answer that fits counts."""
        program = self.bin / name
        program.write_text(
            f'#!/bin/sh\nexec "{sys.executable}" -I "{self._fakes}/script.py" "$0" "$@"\n'
        )
        program.chmod(0o755)
        (self._fakes / f"{name}.json").write_text(
            json.dumps([asdict(answer) for answer in answers])
        )

    @property
    def calls(self) -> list[dict[str, Any]]:
        """Return the calls so far: `command` and the interesting part of its `environment`."""
        file = self._fakes / "calls"
        return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []

    @property
    def commands(self) -> list[list[str]]:
        """Return the command lines so far."""
        return [call["command"] for call in self.calls]
