"""`repository-build`: builds an app's image from its repository (contract, section 9)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import Any

from apphub_jobs.contract import Effect, JobResult, JobRunContext, PermanentError
from worker.handlers.building.builders.builder import (
    BuildCanceledError,
    BuildError,
    BuildSettings,
    Order,
)
from worker.handlers.building.builders.choice import choose
from worker.handlers.building.image_names import image_tag
from worker.handlers.building.launch_env import launch_env_templates
from worker.handlers.git.checkout import CheckedOut, Wanted, checkout
from worker.handlers.git.client import CanceledError, GitError
from worker.handlers.untrusted.tree import MAX_TEXT_BYTES, Tree

FINAL = frozenset({"succeeded", "failed", "canceled"})

NO_DOCKERFILE = "Dockerfile not found, unable to launch app"


def execute(context: JobRunContext) -> JobResult:
    """Check out a commit, build and deliver its image; return what the catalog should say of it."""
    build, repository = _inputs(context)
    progress = _Progress(str(build["id"]))
    try:
        return _execute(context, build, repository, progress)
    except (CanceledError, BuildCanceledError):
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
        duration_s = monotonic() - self.started
        metrics = {
            "buildId": self.build_id,
            "status": status,
            "durationMs": int(duration_s * 1000),
        }
        if self.commit_sha is not None:
            metrics["commitSha"] = self.commit_sha
        return metrics


def _inputs(context: JobRunContext) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    build = context.inputs.get("build")
    repository = context.inputs.get("repository")
    if build is None or repository is None:
        raise PermanentError("repository missing")
    if build["status"] in FINAL:
        message = f"build already ended: {build['status']}"
        raise PermanentError(message)
    return build, repository


def _execute(
    context: JobRunContext,
    build: Mapping[str, Any],
    repository: Mapping[str, Any],
    progress: _Progress,
) -> JobResult:
    settings = BuildSettings.read(context.settings)
    source = Path("source").absolute()
    wanted = Wanted(
        ref=build["gitRef"], branch=build["gitBranch"], commit=build["commitSha"]
    )
    found = checkout(context, repository["repoUrl"], wanted, source)
    progress.commit_sha = found.commit_sha
    context.logger.info("at commit %s", found.commit_sha)
    tree = Tree(source)
    templates = launch_env_templates(tree)
    keys = [entry["key"] for entry in templates]
    context.logger.info("launch variables: %s", ", ".join(keys) or "none")
    # Before anything is built: what the app takes does not depend on whether that succeeds.
    context.update(
        metrics={
            "buildId": build["id"],
            "status": "running",
            "commitSha": found.commit_sha,
        },
        context={"launchEnvTemplates": templates},
    )
    builder = choose(context, settings)
    dockerfile = _dockerfile(tree, repository["dockerfilePath"])
    tag = image_tag(repository["id"], found.commit_sha)
    context.logger.info("building %s from %s", tag, repository["dockerfilePath"])
    work = Path("build").absolute()
    work.mkdir(mode=0o700)
    order = Order(context, tree.root, dockerfile, tag, work)
    digest = builder.build(order)
    context.logger.info("built %s with digest %s", tag, digest)
    image = _Image(tag, digest)
    return _result(build, repository, found, image, progress)


def _dockerfile(tree: Tree, path: str) -> Path:
    """Return the Dockerfile, its links followed."""
    try:
        resolved = (tree.root / path).resolve()
    except (
        OSError,
        ValueError,
        RuntimeError,
    ):
        # Names that no file can have; links in a circle.
        raise PermanentError(NO_DOCKERFILE) from None
    if not resolved.is_relative_to(tree.root):
        raise PermanentError(f"the Dockerfile {path} leads out of the repository")
    found = tree.inside(path)
    if found is None:
        raise PermanentError(NO_DOCKERFILE)
    if found.stat().st_size > MAX_TEXT_BYTES:
        raise PermanentError(
            f"the Dockerfile {path} is larger than {MAX_TEXT_BYTES} bytes"
        )
    return found


@dataclass(frozen=True)
class _Image:
    tag: str
    digest: str


def _result(
    build: Mapping[str, Any],
    repository: Mapping[str, Any],
    found: CheckedOut,
    image: _Image,
    progress: _Progress,
) -> JobResult:
    finished = Effect(
        "build.finished",
        {
            "image_tag": image.tag,
            "image_digest": image.digest,
            "commit_sha": found.commit_sha,
            "git_branch": found.branch,
        },
    )
    return JobResult(
        result={
            "buildId": build["id"],
            "repositoryId": repository["id"],
            "imageTag": image.tag,
            "commitSha": found.commit_sha,
            "imageDigest": image.digest,
        },
        metrics={**progress.metrics("succeeded"), "imageTag": image.tag},
        effects=[finished],
    )
