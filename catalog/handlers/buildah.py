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
    BuildSettings,
    NoNetworkError,
    Order,
    UnusableError,
    output_of,
    show,
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
            return output_of([self.name, "--version"], os.environ)
        except BuildError as error:
            raise UnusableError(f"{self.name} does not start: {error}") from None

    @property
    def _needs_network(self) -> bool:
        """Return whether builds must not reach what this machine does."""
        return self._settings.network != "host"

    def build(self, order: Order) -> str:
        """Build into the attempt's own storage, and deliver from there."""
        if order.dockerfile.name.endswith(".in"):
            # It would go through the host's C preprocessor, whose #include reads any file.
            raise BuildError("a Dockerfile whose name ends in .in is not built")
        self._prepare(order)
        image_id = self._build(order)
        layout = order.work / "image"
        self._push(order, image_id, f"oci:{layout}")
        digest = str(oci_layout.image_of(layout)["digest"])
        if self._settings.oci_dir is not None:
            oci_layout.add_image(order.context, layout, self._settings.oci_dir, order.tag)
            order.context.logger.info(
                "the image is in the OCI layout %s as %s", self._settings.oci_dir, order.tag
            )
        if self._settings.registry is not None:
            digest = self._push_to_registry(order, image_id)
        if self._settings.oci_dir is None and self._settings.registry is None:
            order.context.logger.info(
                "neither a registry nor an OCI layout is configured:"
                " the image was built and is not kept"
            )
        return digest

    def _prepare(self, order: Order) -> None:
        base_images = self._settings.base_images
        if base_images is not None and not (base_images / "vfs-images").is_dir():
            raise BuildError(f"{base_images} holds no base images (see docs/building.md)")
        for name in ("runtime", "home"):
            (order.work / name).mkdir(mode=0o700)
        try:
            write_policy(order.work / "policy.json", self._stores(order))
        except (ValueError, AttributeError) as error:
            raise BuildError(f"{OPERATORS} cannot be read: {error}") from None

    def _stores(self, order: Order) -> list[Path]:
        stores = [order.work / "storage"]
        if self._settings.base_images is not None:
            stores.append(self._settings.base_images)
        return stores

    def _build(self, order: Order) -> str:
        id_file = order.work / "image-id"
        command = [
            *self._command(order, "build"),
            "--isolation",
            "chroot",
            *current_limits(),
            "--format",
            "oci",
            "--layers=false",
            "--iidfile",
            str(id_file),
            "--tag",
            f"localhost/{order.tag}",
            "--file",
            str(order.dockerfile),
            str(order.source),
        ]
        if self._needs_network:
            command = self._in_own_network(order, command)
        show(order.context, command, _environment(order.work), self.name)
        return id_file.read_text().strip()

    def _in_own_network(self, order: Order, command: list[str]) -> list[str]:
        """Wrap the whole builder: it fetches itself what a Dockerfile adds."""
        wrapped = own_network.network_command(order.work, command)
        if os.geteuid() == 0:
            return wrapped
        # Only root may make networks; an ordinary user is that in a user namespace.
        return [*self._program(order), "unshare", *wrapped]

    def _push_to_registry(self, order: Order, image_id: str) -> str:
        settings = self._settings
        reference = f"{settings.registry}/{order.tag}"
        options: list[str] = []
        if not settings.registry_tls_verify:
            options.append("--tls-verify=false")
        if settings.registry_auth_file is not None:
            options += ["--authfile", str(settings.registry_auth_file)]
        digest_file = order.work / "registry-digest"
        options += ["--digestfile", str(digest_file)]
        self._push(order, image_id, f"docker://{reference}", *options)
        order.context.logger.info("the image is in the registry as %s", reference)
        return digest_file.read_text().strip()

    def _push(self, order: Order, image_id: str, target: str, *options: str) -> None:
        command = [*self._command(order, "push"), *options, image_id, target]
        show(order.context, command, _environment(order.work))

    def _command(self, order: Order, name: str) -> list[str]:
        return [
            *self._program(order),
            name,
            *("--signature-policy", str(order.work / "policy.json")),
        ]

    def _program(self, order: Order) -> list[str]:
        base_images: list[str] = []
        if self._settings.base_images is not None:
            base_images = ["--storage-opt", f"vfs.imagestore={self._settings.base_images}"]
        return [
            self.name,
            *("--root", str(order.work / "storage"), "--runroot", str(order.work / "run")),
            *("--storage-driver", "vfs"),
            *base_images,
            *self._more_options(order.work),
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
