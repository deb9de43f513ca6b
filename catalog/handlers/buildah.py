"""Buildah and Podman, one family: no daemon, and all they make is in the attempt's directory.

So nothing has to be cleaned up, however the build ends: a killed builder's storage is deleted with
that directory, `vfs` mounts nothing, and what `RUN` mounts is in a mount namespace that ends with
its processes.

First the policy that says which images a Dockerfile may name, then the two builders.
"""

import json
import os
import resource
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from catalog.handlers import builder, oci_layout, own_network
from catalog.handlers.builder import (
    BuildError,
    BuildRequest,
    BuildSettings,
    NoNetworkError,
    UnusableError,
    read_output,
    run_command,
)

# A Dockerfile may name images of registries that the operator allows.
#
# `FROM oci:/some/where`, `docker-archive:`, `tarball:` and the like would copy what the worker's
# user can read into an image, and so would `containers-storage:[vfs@/some/store]`. The policy of
# containers-policy.json(5) refuses them, whatever instruction names them.

OPERATORS = Path("/etc/containers/policy.json")

_ANY = [{"type": "insecureAcceptAnything"}]


def write_policy(target: Path, stores: Iterable[Path], operators: Path = OPERATORS) -> None:
    """Write the policy for one build.

    Args:
        target: where to.
        stores: what the build itself makes, and the operator's base images. No other store may be
            named, such as that of the worker's user or of another build.
        operators: the operator's own policy, if there is one.

    Raises:
        ValueError: the operator's policy is no JSON object.
    """
    own: dict[str, Any] = json.loads(operators.read_text()) if operators.exists() else {}
    transports = own.get("transports", {})
    by_registry = {"": own.get("default", _ANY), **transports.get("docker", {})}
    by_store = {f"[vfs@{store}]": _ANY for store in stores}
    policy = {
        "default": [{"type": "reject"}],
        "transports": {"docker": by_registry, "containers-storage": by_store},
    }
    target.write_text(json.dumps(policy))


class Buildah:
    """Builds with `buildah`."""

    name = "buildah"
    _install = builder.INSTALL_BUILDAH

    def __init__(self, settings: BuildSettings) -> None:
        self._settings = settings

    def check(self) -> str:
        """Return the version, if an ordinary user's builds can work, too."""
        if shutil.which(self.name) is None:
            raise UnusableError(f"{self.name} is not installed: {self._install}")
        if os.geteuid() != 0 and shutil.which("newuidmap") is None:
            raise UnusableError(f"{self.name} needs newuidmap here: {builder.INSTALL_UIDMAP}")
        if self._needs_network and shutil.which(own_network.PROGRAM) is None:
            raise NoNetworkError(
                f"while the API has no tokens, {self.name} needs {own_network.PROGRAM} to keep"
                f" builds away from it: {builder.INSTALL_SLIRP}; or {builder.CLOSE_THE_API}"
            )
        try:
            return read_output([self.name, "--version"], os.environ)
        except BuildError as error:
            raise UnusableError(f"{self.name} does not start: {error}") from None

    @property
    def _needs_network(self) -> bool:
        """Return whether builds must not reach what this machine does."""
        return self._settings.network != "host"

    def build(self, request: BuildRequest) -> str:
        """Build into the attempt's own storage, and deliver from there."""
        if request.dockerfile.name.endswith(".in"):
            # It would go through the host's C preprocessor, whose #include reads any file.
            raise BuildError("a Dockerfile whose name ends in .in is not built")
        self._prepare(request)
        image_id = self._build(request)
        layout = request.work / "image"
        self._push(request, image_id, f"oci:{layout}")
        digest = str(oci_layout.image_of(layout)["digest"])
        if self._settings.oci_dir is not None:
            oci_layout.add_image(request.context, layout, self._settings.oci_dir, request.tag)
        if self._settings.registry is not None:
            digest = self._push_to_registry(request, image_id)
        if self._settings.oci_dir is None and self._settings.registry is None:
            request.context.logger.info(
                "neither a registry nor an OCI layout is configured:"
                " the image was built and is not kept"
            )
        return digest

    def _prepare(self, request: BuildRequest) -> None:
        base_images = self._settings.base_images
        if base_images is not None and not (base_images / "vfs-images").is_dir():
            raise BuildError(f"{base_images} holds no base images (see docs/building.md)")
        for name in ("runtime", "home"):
            (request.work / name).mkdir(mode=0o700)
        try:
            write_policy(request.work / "policy.json", self._stores(request))
        except (ValueError, AttributeError) as error:
            raise BuildError(f"{OPERATORS} cannot be read: {error}") from None

    def _stores(self, request: BuildRequest) -> list[Path]:
        stores = [request.work / "storage"]
        if self._settings.base_images is not None:
            stores.append(self._settings.base_images)
        return stores

    def _build(self, request: BuildRequest) -> str:
        id_file = request.work / "image-id"
        command = [
            *self._command(request, "build"),
            "--isolation",
            "chroot",
            *current_limits(),
            "--format",
            "oci",
            "--layers=false",
            "--iidfile",
            str(id_file),
            "--tag",
            f"localhost/{request.tag}",
            "--file",
            str(request.dockerfile),
            str(request.source),
        ]
        if self._needs_network:
            command = self._in_own_network(request, command)
        run_command(request.context, command, _environment(request.work), self.name)
        return id_file.read_text().strip()

    def _in_own_network(self, request: BuildRequest, command: list[str]) -> list[str]:
        """Wrap the whole builder: it fetches itself what a Dockerfile adds."""
        wrapped = own_network.network_command(request.work, command)
        if os.geteuid() == 0:
            return wrapped
        # Only root may make networks; an ordinary user is that in a user namespace.
        return [*self._program(request), "unshare", *wrapped]

    def _push_to_registry(self, request: BuildRequest, image_id: str) -> str:
        settings = self._settings
        reference = f"{settings.registry}/{request.tag}"
        options: list[str] = []
        if not settings.registry_tls_verify:
            options.append("--tls-verify=false")
        if settings.registry_auth_file is not None:
            options += ["--authfile", str(settings.registry_auth_file)]
        digest_file = request.work / "registry-digest"
        options += ["--digestfile", str(digest_file)]
        self._push(request, image_id, f"docker://{reference}", *options)
        request.context.logger.info("the image is in the registry as %s", reference)
        return digest_file.read_text().strip()

    def _push(self, request: BuildRequest, image_id: str, target: str, *options: str) -> None:
        command = [*self._command(request, "push"), *options, image_id, target]
        run_command(request.context, command, _environment(request.work))

    def _command(self, request: BuildRequest, name: str) -> list[str]:
        return [
            *self._program(request),
            name,
            *("--signature-policy", str(request.work / "policy.json")),
        ]

    def _program(self, request: BuildRequest) -> list[str]:
        base_images: list[str] = []
        if self._settings.base_images is not None:
            base_images = ["--storage-opt", f"vfs.imagestore={self._settings.base_images}"]
        return [
            self.name,
            *("--root", str(request.work / "storage"), "--runroot", str(request.work / "run")),
            *("--storage-driver", "vfs"),
            *base_images,
            *self._more_options(request.work),
        ]

    def _more_options(self, work: Path) -> tuple[str, ...]:
        del work
        return ()


class Podman(Buildah):
    """Builds with `podman`."""

    name = "podman"
    _install = builder.INSTALL_PODMAN

    def _more_options(self, work: Path) -> tuple[str, ...]:
        # Else its state would be in /run, and outlive the build.
        return ("--tmpdir", str(work / "libpod"))


def current_limits() -> list[str]:
    """Return options for the limits as they are; else the builder tries in vain to raise them."""
    limits = {"nofile": resource.RLIMIT_NOFILE, "nproc": resource.RLIMIT_NPROC}
    options: list[str] = []
    for name, number in limits.items():
        soft, hard = resource.getrlimit(number)
        options += ["--ulimit", f"{name}={soft}:{hard}"]
    return options


def _environment(work: Path) -> dict[str, str]:
    home = str(work / "home")
    return {
        **os.environ,
        "XDG_CONFIG_HOME": home,
        "XDG_DATA_HOME": home,
        "XDG_CACHE_HOME": home,
        "XDG_RUNTIME_DIR": str(work / "runtime"),
        "HOME": home,
        "TMPDIR": str(work),
    }
