"""The choice of a builder: the one that the operator names, else the first that can be used."""

from collections.abc import Callable, Sequence

from apphub_jobs.contract import JobRunContext, PermanentError
from catalog.handlers.buildah import Buildah, Podman
from catalog.handlers.builder import (
    CLOSE_THE_API,
    INSTALL_BUILDAH,
    Builder,
    BuildSettings,
    NoNetworkError,
    UnusableError,
)
from catalog.handlers.docker import Docker

BUILDERS: dict[str, Callable[[BuildSettings], Builder]] = {
    "docker": Docker,
    "podman": Podman,
    "buildah": Buildah,
}
"""In the order in which `auto` tries them."""


def choose(context: JobRunContext, settings: BuildSettings) -> Builder:
    """Return the builder to use, and log it.

    Raises:
        PermanentError: there is none; the message says what to install, or to allow.
    """
    builder, version = select_builder(settings, lambda why: context.logger.info("%s", why))
    context.logger.info("building with %s", version)
    return builder


def select_builder(settings: BuildSettings, note: Callable[[str], None]) -> tuple[Builder, str]:
    """Return the builder to use, with its version.

    Args:
        settings: what the operator decided.
        note: takes the reason for each one of several that cannot be used.

    Raises:
        PermanentError: there is none; the message says what to install, or to allow.
    """
    failures: list[UnusableError] = []
    for name in _names_to_try(settings):
        builder = BUILDERS[name](settings)
        try:
            return builder, builder.check()
        except UnusableError as error:
            failures.append(error)
    if settings.builder != "auto":
        raise PermanentError(f"the builder {settings.builder} cannot be used: {failures[0]}")
    for failure in failures:
        note(str(failure))
    raise PermanentError(_remedy(failures))


def _names_to_try(settings: BuildSettings) -> list[str]:
    """Return the names of the builders to try, in order."""
    if settings.builder not in {"auto", *BUILDERS}:
        raise PermanentError(
            f"unknown builder {settings.builder!r}: use auto, {', '.join(BUILDERS)}"
        )
    if settings.network == "none":
        raise PermanentError(
            "the API has no tokens and can be reached from everywhere, so from builds as well:"
            f" {CLOSE_THE_API}"
        )
    if settings.builder == "auto":
        return list(BUILDERS)
    return [settings.builder]


def _remedy(failures: Sequence[UnusableError]) -> str:
    """Return the remedy: of the last builder that lacks only a network, else to install one."""
    for failure in reversed(failures):
        if isinstance(failure, NoNetworkError):
            return str(failure)
    return f"no builder of images can be used here; install one: {INSTALL_BUILDAH}"
