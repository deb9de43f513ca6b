"""Git repositories for tests."""

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

SETTINGS = (
    *("-c", "user.name=Test"),
    *("-c", "user.email=test@example.org"),
    *("-c", "commit.gpgsign=false"),
    # Each commit would start a process that looks for what to tidy up, beside the test.
    *("-c", "maintenance.auto=false"),
)


def git(repository: Path, *arguments: str) -> str:
    """Run git in a repository without the developer's configuration; return what it printed."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    done = subprocess.run(
        ["git", *SETTINGS, "-C", str(repository), *arguments],
        capture_output=True,
        text=True,
        check=True,
        env={**clean, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"},
    )
    return done.stdout.strip()


def made(root: Path, files: Mapping[str, str]) -> Path:
    """Make a repository with one commit on `main`, and return it."""
    root.mkdir()
    git(root, "init", "-q", "-b", "main")
    commit(root, files)
    return root


def commit(repository: Path, files: Mapping[str, str]) -> str:
    """Write files and commit everything; return the commit's id."""
    for path, content in files.items():
        (repository / path).parent.mkdir(parents=True, exist_ok=True)
        (repository / path).write_text(content)
    git(repository, "add", "-A")
    git(repository, "commit", "-q", "--allow-empty", "-m", "a commit")
    return git(repository, "rev-parse", "HEAD")
