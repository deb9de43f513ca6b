"""The README's walk-through, typed as it stands: the output in the README is what comes."""

import re
import subprocess
from pathlib import Path

import httpx

from tests import ROOT
from tests.support.processes import eventually, started

MASKS = (
    (r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "ID"),
    (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", "TIME"),
    (r"[0-9a-f]{40}", "COMMIT"),
    (r'"repoUrl":"[^"]*"', '"repoUrl":"PATH"'),
)


def _masked(text: str) -> str:
    for pattern, mask in MASKS:
        text = re.sub(pattern, mask, text)
    return text.strip()


def _steps() -> list[tuple[str, str]]:
    """Return the walk-through's commands, each with the output that the README shows."""
    section = (
        (ROOT / "README.md")
        .read_text()
        .partition("## A walk-through")[2]
        .partition("\n## ")[0]
    )
    text = "\n".join(re.findall(r"```console\n(.*?)```", section, re.DOTALL))
    parts = re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]
    return [(part.partition("\n")[0], part.partition("\n")[2]) for part in parts]


def test_the_walk_through_prints_what_the_readme_shows(tmp_path: Path) -> None:
    steps = _steps()
    assert len(steps) >= 7
    with (
        started("up", "--port", "0", "--data-dir", str(tmp_path)) as process,
        httpx.Client(base_url=process.url(), timeout=30) as client,
    ):
        address = process.url().removeprefix("http://")

        def nothing_is_under_way() -> bool:
            page = client.get("/job-runs", params={"status": "pending,running"}).json()
            return not page["data"]

        for command, expected in steps:
            done = subprocess.run(
                ["bash", "-c", command.replace("localhost:4000", address)],
                cwd=ROOT,
                capture_output=True,
                text=True,
                check=True,
                timeout=60,
            )
            assert _masked(done.stdout) == _masked(expected), command
            eventually(
                nothing_is_under_way,
                what="runs being over, as they are when a person types on",
            )
