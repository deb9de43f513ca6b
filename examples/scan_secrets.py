"""Scans a git repository for secrets that should not be in it."""

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

from pydantic import BaseModel

from apphub_jobs import JobRunContext, job

RULES = {
    "private key": re.compile(r"-----BEGIN (?:[A-Z]{1,10} ){0,3}PRIVATE KEY-----"),
    "AWS access key": re.compile(r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b"),
    "GitHub token": re.compile(r"\bgh[pousr]_[A-Za-z0-9]{36,255}\b"),
    "Slack token": re.compile(r"\bxox[abprs]-[A-Za-z0-9-]{10,250}\b"),
    "password in a URL": re.compile(r"\b[a-z]{2,10}://[^\s/:@]{1,100}:[^\s/@]{3,100}@"),
}

MAX_BYTES = 1_000_000
"""Of a file; what is larger is data."""

MAX_FINDINGS = 200


class Finding(BaseModel):
    """Where something was found; what it is stands in the repository alone."""

    path: str
    line: int
    rule: str


class Scan(BaseModel):
    """A scan of a commit."""

    commit: str
    files: int
    findings: list[Finding]


@job(timeout="15m", retries=2, retry_delay="1m", memory_mb=1_024)
def scan_secrets(context: JobRunContext, url: str) -> Scan:
    """Clone a repository's newest commit, and look for keys, tokens and passwords in its files.

    Args:
        url: what `git clone` takes.
    """
    clone = Path("clone")  # In the attempt's own directory, which is removed afterwards.
    _git("clone", "--quiet", "--depth=1", "--", url, str(clone))
    names = _git("-C", str(clone), "ls-files", "-z").split("\0")[:-1]
    findings: list[Finding] = []
    for number, name in enumerate(names):
        context.update(progress=number / len(names))
        findings += _findings(clone, name)
    context.update(progress=1, metrics={"findings": len(findings)})
    for finding in findings:
        context.logger.warning("%s, line %d: %s", *finding.model_dump().values())
    commit = _git("-C", str(clone), "rev-parse", "HEAD").strip()
    return Scan(commit=commit, files=len(names), findings=findings[:MAX_FINDINGS])


def _findings(clone: Path, name: str) -> Iterator[Finding]:
    file = clone / name
    # A link may lead anywhere on this machine.
    if file.is_symlink() or not file.is_file() or file.stat().st_size > MAX_BYTES:
        return
    text = file.read_text(encoding="utf-8", errors="replace")
    for number, line in enumerate(text.splitlines(), 1):
        for rule, pattern in RULES.items():
            if pattern.search(line):
                yield Finding(path=name, line=number, rule=rule)


def _git(*arguments: str) -> str:
    """Run git, which asks for no password, and return what it printed."""
    done = subprocess.run(
        ["git", *arguments],
        env={**os.environ, "GIT_TERMINAL_PROMPT": "0", "GIT_LFS_SKIP_SMUDGE": "1"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise RuntimeError(done.stderr.strip())
    return done.stdout
