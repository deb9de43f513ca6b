"""`repository-build`: builds an app's image from its repository (contract, section 9).

First names of images, then the variables that an app is launched with, then the handler
(`execute`).
"""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import Any

from apphub_jobs.contract import Effect, JobResult, JobRunContext, PermanentError
from catalog.handlers.builder import BuildError, BuildRequest, BuildSettings
from catalog.handlers.checkout import CheckoutTarget, checkout
from catalog.handlers.choice import choose
from catalog.handlers.git import CanceledError, GitError
from catalog.handlers.untrusted import MAX_TEXT_BYTES, Tree, is_storable, strip_control_sequences

MAX_NAME_LENGTH = 128
"""The longest name of an app in an image's name. Registries refuse more than 255 characters, with
the prefix that they add."""

_FOREIGN = re.compile(r"[^a-z0-9._-]+")
_SEPARATORS = re.compile(r"[._-]{2,}")


def image_tag(repository_id: str, commit_sha: str) -> str:
    """Return `apphub/NAME:COMMIT`, which every builder, registry and OCI layout takes."""
    return f"apphub/{_name(repository_id)}:{commit_sha[:12]}"


def _name(repository_id: str) -> str:
    dashed = _FOREIGN.sub("-", repository_id.lower())
    # Of two separators in a row, only a double dash may stand in both an image's name and a
    # layout's reference.
    joined = _SEPARATORS.sub(lambda match: "--" if match[0] == "--" else "-", dashed)
    name = joined.strip("._-") or "app"
    if len(name) <= MAX_NAME_LENGTH:
        return name
    id_bytes = repository_id.encode("utf-8", "surrogatepass")
    digest = hashlib.sha256(id_bytes).hexdigest()[:12]
    start = name[: MAX_NAME_LENGTH - len(digest) - 1].rstrip("._-")
    return f"{start}-{digest}"


# The variables that an app is launched with, as its repository says.

TEMPLATES = (".env.template", ".env.example")

MAX_ENTRIES = 32
MAX_KEY_LENGTH = 200
MAX_VALUE_LENGTH = 2_000

_EXPORT = re.compile(r"^export\s+")
_QUOTED = re.compile(r"""(["'])(.*?)\1\s*(?:#.*)?""")
_BEFORE_COMMENT = re.compile(r"""(?:"[^"]*"|'[^']*'|[^#])*""")


def launch_env_templates(tree: Tree) -> list[dict[str, str]]:
    """Return the `{key, value}` entries of the first template at the root that has any.

    The first entry of a key counts.
    """
    for name in TEMPLATES:
        entries = _entries(tree.text(name) or "")
        if entries:
            return entries
    return []


def _entries(text: str) -> list[dict[str, str]]:
    values: dict[str, str] = {}
    for line in text.splitlines():
        assignment = _EXPORT.sub("", line.strip())
        if assignment.startswith("#"):
            continue
        left, equals, right = assignment.partition("=")
        key = left.strip()
        value = _unquote(right.strip())
        if key and equals and _fits(key, value):
            values.setdefault(key, value)
    return [{"key": key, "value": value} for key, value in values.items()][:MAX_ENTRIES]


def _fits(key: str, value: str) -> bool:
    if len(key) > MAX_KEY_LENGTH or len(value) > MAX_VALUE_LENGTH:
        return False
    both = key + value
    return is_storable(both) and strip_control_sequences(both) == both


def _unquote(value: str) -> str:
    """Return a value without its quotes, or without the comment behind it."""
    quoted = _QUOTED.fullmatch(value)
    if quoted is not None:
        return quoted[2]
    without_comment = _BEFORE_COMMENT.match(value)[0]  # type: ignore[index]  # it always matches
    return without_comment.rstrip()


FINAL = frozenset({"succeeded", "failed", "canceled"})

NO_DOCKERFILE = "Dockerfile not found, unable to launch app"


def execute(context: JobRunContext) -> JobResult:
    """Check out a commit, build and deliver its image; return what the catalog should say of it."""
    build, repository = _inputs(context)
    progress = _Progress(str(build["id"]))
    try:
        return _execute(context, build, repository, progress)
    except CanceledError:
        return JobResult(
            status="canceled",
            error_message="canceled while building",
            metrics=progress.metrics("canceled"),
        )
    except (GitError, BuildError, PermanentError, OSError):
        context.update(metrics=progress.metrics("failed"))
        raise


@dataclass
class _Progress:
    build_id: str
    commit_sha: str | None = None
    started: float = field(default_factory=monotonic)

    def metrics(self, status: str) -> dict[str, Any]:
        duration_ms = int((monotonic() - self.started) * 1000)
        metrics = {"buildId": self.build_id, "status": status, "durationMs": duration_ms}
        if self.commit_sha is not None:
            metrics["commitSha"] = self.commit_sha
        return metrics


def _inputs(context: JobRunContext) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    build = context.inputs.get("build")
    repository = context.inputs.get("repository")
    if build is None or repository is None:
        raise PermanentError("repository missing")
    if build["status"] in FINAL:
        raise PermanentError(f"build already ended: {build['status']}")
    return build, repository


def _execute(
    context: JobRunContext,
    build: Mapping[str, Any],
    repository: Mapping[str, Any],
    progress: _Progress,
) -> JobResult:
    settings = BuildSettings.read(context.settings)
    source = Path("source").absolute()
    target = CheckoutTarget(
        ref=build["gitRef"], branch=build["gitBranch"], commit=build["commitSha"]
    )
    checked_out = checkout(context, repository["repoUrl"], target, source)
    progress.commit_sha = checked_out.commit_sha
    context.logger.info("at commit %s", checked_out.commit_sha)
    tree = Tree(source)
    templates = launch_env_templates(tree)
    keys = ", ".join(entry["key"] for entry in templates)
    context.logger.info("launch variables: %s", keys or "none")
    # Before anything is built: what the app takes does not depend on whether that succeeds.
    context.update(
        metrics={"buildId": build["id"], "status": "running", "commitSha": checked_out.commit_sha},
        context={"launchEnvTemplates": templates},
    )
    builder = choose(context, settings)
    dockerfile = _dockerfile(tree, repository["dockerfilePath"])
    tag = image_tag(repository["id"], checked_out.commit_sha)
    context.logger.info("building %s from %s", tag, repository["dockerfilePath"])
    work = Path("build").absolute()
    work.mkdir(mode=0o700)
    digest = builder.build(BuildRequest(context, tree.root, dockerfile, tag, work))
    context.logger.info("built %s with digest %s", tag, digest)
    finished = Effect(
        "build.finished",
        {
            "image_tag": tag,
            "image_digest": digest,
            "commit_sha": checked_out.commit_sha,
            "git_branch": checked_out.branch,
        },
    )
    return JobResult(
        result={
            "buildId": build["id"],
            "repositoryId": repository["id"],
            "imageTag": tag,
            "commitSha": checked_out.commit_sha,
            "imageDigest": digest,
        },
        metrics={**progress.metrics("succeeded"), "imageTag": tag},
        effects=[finished],
    )


def _dockerfile(tree: Tree, path: str) -> Path:
    """Return the Dockerfile, its links followed."""
    try:
        resolved = (tree.root / path).resolve()
    except (OSError, ValueError, RuntimeError):
        # Names that no file can have; links in a circle.
        raise PermanentError(NO_DOCKERFILE) from None
    if not resolved.is_relative_to(tree.root):
        raise PermanentError(f"the Dockerfile {path} leads out of the repository")
    dockerfile = tree.inside(path)
    if dockerfile is None:
        raise PermanentError(NO_DOCKERFILE)
    if dockerfile.stat().st_size > MAX_TEXT_BYTES:
        raise PermanentError(f"the Dockerfile {path} is larger than {MAX_TEXT_BYTES} bytes")
    return dockerfile
