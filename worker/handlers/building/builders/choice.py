"""Which builder builds: the one that the operator names, else the first that can be used."""

from collections.abc import Callable

from apphub_jobs.contract import JobRunContext, PermanentError
from worker.handlers.building.builders.advice import INSTALL_BUILDAH
from worker.handlers.building.builders.buildah import Buildah, Podman
from worker.handlers.building.builders.builder import (
    Builder,
    BuildSettings,
    UnusableError,
)
from worker.handlers.building.builders.docker import Docker

BUILDERS: dict[str, Callable[[BuildSettings], Builder]] = {
    "docker": Docker,
    "podman": Podman,
    "buildah": Buildah,
}
"""In the order in which `auto` tries them."""


def choose(context: JobRunContext, settings: BuildSettings) -> Builder:
    """Return the builder to use, and note it in the log.

    Raises:
        PermanentError: there is none; the message says what to install.
    """
    if settings.builder not in {"auto", *BUILDERS}:
        raise PermanentError(
            f"unknown builder {settings.builder!r}: use auto, {', '.join(BUILDERS)}"
        )
    wanted = [settings.builder]
    if settings.builder == "auto":
        wanted = list(BUILDERS)
    reasons = []
    for name in wanted:
        builder = BUILDERS[name](settings)
        try:
            version = builder.check()
        except UnusableError as error:
            reasons.append(str(error))
        else:
            context.logger.info("building with %s", version)
            return builder
    if settings.builder != "auto":
        raise PermanentError(
            f"the builder {settings.builder} cannot be used: {reasons[0]}"
        )
    for reason in reasons:
        context.logger.info("%s", reason)
    raise PermanentError(
        f"no builder of images can be used here; install one: {INSTALL_BUILDAH}"
    )
