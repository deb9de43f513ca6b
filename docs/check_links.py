"""Checks that what the project's Markdown names exists: files, headings, files of code.

And in the glossary: types, functions and tables.
"""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)|!\[[^\]]*\]\(([^)\s]+)\)")
FLOORS = "cli|catalog|api|worker|eventlog|projections|domain|apphub_jobs|runtime|migrations"
BESIDE = "benchmarks|docs|tests"
CODE_FILE = re.compile(rf"`((?:{FLOORS}|{BESIDE})/[\w/.-]+\.(?:py|md|js|json|yaml))`")
GLOSSARY = ROOT / "docs/glossary.md"
DEFINITION = re.compile(r"`(\w+)` in `([\w/.]+)`")
TABLE = re.compile(r"table `(\w+)`")
CODE = re.compile(r"```.*?```|`[^`]*`", re.DOTALL)


def anchors(path: Path) -> set[str]:
    """Return the anchors that a Markdown file's headings make."""
    headings = re.findall(r"^#+\s+(.*)$", path.read_text(), re.MULTILINE)
    return {
        re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-") for heading in headings
    }


def broken_links(path: Path) -> list[str]:
    """Return the file's links that lead nowhere."""
    broken = []
    for match in LINK.finditer(CODE.sub("", path.read_text())):
        target = match[1] or match[2]
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        file = (path.parent / name).resolve() if name else path
        if not file.exists() or (anchor and file.suffix == ".md" and anchor not in anchors(file)):
            broken.append(f"{path.relative_to(ROOT)}: {target}")
    return broken


def missing_files(path: Path) -> list[str]:
    """Return the files of code that the text names and that are not there."""
    named = set(CODE_FILE.findall(path.read_text()))
    return [
        f"{path.relative_to(ROOT)}: {name}" for name in sorted(named) if not (ROOT / name).exists()
    ]


def missing_definitions(text: str) -> list[str]:
    """Return the definitions and tables of the glossary's text that do not exist."""
    missing = [
        f"{name} in {file}"
        for name, file in DEFINITION.findall(text)
        if not _is_defined(name, ROOT / file)
    ]
    migrations = "".join(
        path.read_text() for path in sorted((ROOT / "migrations/versions").glob("*.py"))
    )
    missing += [
        f"table {name}"
        for name in TABLE.findall(text)
        if not re.search(rf"CREATE TABLE {name}\b", migrations)
    ]
    return missing


def _is_defined(name: str, file: Path) -> bool:
    definition = re.compile(rf"^(?:class|(?:async )?def) {name}\b|^{name}\b.*=", re.MULTILINE)
    return file.exists() and bool(definition.search(file.read_text()))


def main() -> int:
    """Check all Markdown files that git knows or could know."""
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "*.md"],  # noqa: S607
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    files = [ROOT / name for name in listed.stdout.splitlines()]
    broken = [problem for file in files for problem in broken_links(file)]
    missing = [problem for file in files for problem in missing_files(file)]
    undefined = missing_definitions(GLOSSARY.read_text())
    sys.stderr.write("".join(f"broken link: {problem}\n" for problem in broken))
    sys.stderr.write("".join(f"no such file: {problem}\n" for problem in missing))
    sys.stderr.write("".join(f"the glossary's {name} does not exist\n" for name in undefined))
    return 1 if broken or missing or undefined else 0


if __name__ == "__main__":
    raise SystemExit(main())
