"""Real git repositories, and what a handler is given to read them."""

import logging
import subprocess
import threading
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from apphub_jobs.contract import JobRunContext
from apphub_jobs.details import DefinitionDetails, RunDetails
from tests.support.git.origins import SETTINGS

Files = Mapping[str, str | bytes]

APP = {
    "id": "Shop",
    "name": "Shop",
    "description": "As given",
    "dockerfilePath": "Dockerfile",
    "tags": [],
    "metadataStrategy": "auto",
    "authorTags": [{"key": "Runtime", "value": "Node20"}],
}


class Reports(list[dict[str, Any]]):
    """What the handler reported while it ran."""


def context_of(
    inputs: dict[str, Any] | None = None,
    reports: Reports | None = None,
    deadline: datetime | None = None,
    **settings: Any,
) -> JobRunContext:
    """Return a handler's context with these settings of the operator.

    The servers of tests are on this machine.
    """
    gathered = Reports() if reports is None else reports
    return JobRunContext(
        definition=DefinitionDetails(),
        run=RunDetails(),
        parameters={},
        settings={"allowPrivateRepositories": True, **settings},
        inputs=inputs or {},
        logger=logging.getLogger("tests.handler"),
        cancelled=threading.Event(),
        deadline=deadline,
        send_report=lambda report: gathered.append(dict(report)),
    )


def app_at(repo_url: str, **fields: Any) -> dict[str, Any]:
    """Return the inputs of an ingestion, with these fields of the app changed."""
    return {"repository": {**APP, "repoUrl": repo_url, **fields}}


def git(repository: Path, *arguments: str, stdin: bytes | None = None) -> str:
    """Run git in a repository and return what it printed."""
    command = ["git", *SETTINGS, "-C", str(repository), *arguments]
    return (
        subprocess.run(command, input=stdin, capture_output=True, check=True)
        .stdout.decode()
        .strip()
    )


def repository(parent: Path, files: Files, name: str = "origin") -> Path:
    """Make a repository with one commit of these files; without a commit where there are none."""
    root = parent / name
    root.mkdir()
    git(root, "init", "-q", "-b", "main")
    for path, content in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(content if isinstance(content, bytes) else content.encode())
    if files:
        git(root, "add", "-A")
        git(root, "commit", "-q", "-m", "first")
    return root


def imported(
    parent: Path, files: Mapping[bytes, bytes], links: Mapping[bytes, bytes] | None = None
) -> Path:
    """Make a repository whose files and links were never in a file system, so any path will do."""
    root = repository(parent, {})
    stream = [b"commit refs/heads/main\ncommitter Test <test@example.org> 1 +0000\ndata 0\n"]
    for mode, entries in ((b"100644", files), (b"120000", links or {})):
        for path, content in entries.items():
            quoted = path.replace(b"\\", b"\\\\").replace(b'"', b'\\"').replace(b"\n", b"\\n")
            stream.append(
                b'M %s inline "%s"\ndata %d\n%s\n' % (mode, quoted, len(content), content)
            )
    git(root, "fast-import", "--quiet", stdin=b"".join(stream))
    return root


def committed(root: Path, entries: str, levels: int = 1) -> Path:
    """Commit a tree as `git mktree` takes it; return the repository.

    Each level holds the one below ten times.
    """
    tree = git(root, "mktree", "--missing", stdin=entries.encode())
    for _ in range(levels - 1):
        tree = git(
            root,
            "mktree",
            stdin="".join(f"040000 tree {tree}\t{name}\n" for name in range(10)).encode(),
        )
    git(root, "update-ref", "refs/heads/main", git(root, "commit-tree", "-m", "first", tree))
    return root
