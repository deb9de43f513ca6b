"""The port behind `repository-build`: what is to be built, by whom, and how that can go wrong."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

from apphub_jobs.contract import JobRunContext, PermanentError


class BuildError(Exception):
    """The image was not built or delivered; the message says why, and what helps."""


class BuildCanceledError(Exception):
    """The run was canceled while the builder worked."""


class UnusableError(Exception):
    """A builder cannot be used here; the message says why, and what to install."""


class NoNetworkError(UnusableError):
    """A builder can give builds no network of their own, which they need while the API is open."""


@dataclass(frozen=True, kw_only=True)
class BuildSettings:
    """What the operator decided about builds.

    Attributes:
        builder: `auto`, or the one builder to use.
        registry: where images are pushed, as `host[:port][/prefix]`; None for nowhere.
        registry_auth_file: credentials for it, as `docker login` and `podman login` write them.
        registry_tls_verify: False for a registry without TLS, or with a certificate that nobody
            signed.
        oci_dir: an OCI layout that gets every image; None for none.
        base_images: images that Podman and Buildah find without a registry.
        docker_host: the address of Docker's daemon; None for the usual one.
        network: `host`; or `own`: one from which the open API cannot be reached; or `none`: the
            open API can be reached from everywhere, so nothing is built.
    """

    builder: str = "auto"
    registry: str | None = None
    registry_auth_file: Path | None = None
    registry_tls_verify: bool = True
    oci_dir: Path | None = None
    base_images: Path | None = None
    docker_host: str | None = None
    network: Literal["host", "own", "none"] = "host"

    @classmethod
    def read(cls, settings: Mapping[str, Any]) -> "BuildSettings":
        """Return the settings of a run; what is missing has its default.

        Raises:
            PermanentError: the registry is no such name.
        """
        registry = (settings.get("registry") or "").rstrip("/")
        has_spaces = any(letter.isspace() for letter in registry)
        if has_spaces or "://" in registry:
            raise PermanentError(
                f"the registry is given as host[:port][/prefix], not as {registry!r}"
            )
        return cls(
            builder=settings.get("builder") or "auto",
            registry=registry or None,
            registry_auth_file=_path(settings.get("registryAuthFile")),
            registry_tls_verify=settings.get("registryTlsVerify") is not False,
            oci_dir=_path(settings.get("ociDir")),
            base_images=_path(settings.get("baseImages")),
            docker_host=settings.get("dockerHost") or None,
            network=settings.get("network") or "host",
        )


def _path(value: str | None) -> Path | None:
    if not value:
        return None
    return Path(value)


@dataclass(frozen=True)
class Order:
    """What is to be built.

    Attributes:
        source: the root of the repository, which is the build's context; absolute.
        dockerfile: a file in it; absolute.
        tag: the image's name, without a registry.
        work: an empty directory of this build alone, absolute; it is removed with the attempt's
            directory.
    """

    context: JobRunContext
    source: Path
    dockerfile: Path
    tag: str
    work: Path


class Builder(Protocol):
    """Builds images and delivers them as the operator wants."""

    @property
    def name(self) -> str:
        """How operators call it."""

    def check(self) -> str:
        """Return the builder's version.

        Raises:
            UnusableError: it cannot be used here.
        """

    def build(self, order: Order) -> str:
        """Build and deliver the image; return its digest (`docs/building.md` says of what).

        Raises:
            BuildError: it failed.
            BuildCanceledError: somebody asked to cancel.
        """
