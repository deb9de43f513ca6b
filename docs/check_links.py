"""Checks that relative links in the project's Markdown lead to a file, and anchors to a heading."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)|!\[[^\]]*\]\(([^)\s]+)\)")
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


def main() -> int:
    """Check all Markdown files that git knows or could know."""
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "*.md"],  # noqa: S607
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    broken = [
        problem for name in listed.stdout.splitlines() for problem in broken_links(ROOT / name)
    ]
    sys.stderr.write("".join(f"broken link: {problem}\n" for problem in broken))
    return 1 if broken else 0


if __name__ == "__main__":
    raise SystemExit(main())
