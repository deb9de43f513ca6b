"""Docker: the daemon builds, and keeps the image under its tag."""

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from catalog.handlers import oci_layout
from catalog.handlers.builder import (
    CLOSE_THE_API,
    BuildError,
    BuildRequest,
    BuildSettings,
    NoNetworkError,
    UnusableError,
    read_output,
    run_command,
)


class Docker:
    """Builds with `docker`."""

    name = "docker"

    def __init__(self, settings: BuildSettings) -> None:
        self._settings = settings
        self._command = ["docker"]
        if settings.docker_host:
            self._command += ["--host", settings.docker_host]

    def check(self) -> str:
        """Return the daemon's version: that the command is installed proves nothing."""
        if shutil.which("docker") is None:
            raise UnusableError(
                "docker is not installed: see https://docs.docker.com/engine/install"
            )
        if self._settings.network != "host":
            raise NoNetworkError(
                "docker's daemon fetches what a Dockerfile adds from wherever it is itself,"
                f" and so would reach the open API: {CLOSE_THE_API}"
            )
        try:
            version = read_output(
                [*self._command, "version", "--format", "{{.Server.Version}}"], os.environ
            )
        except BuildError as error:
            raise UnusableError(
                f"docker's daemon does not answer ({error}):"
                " start it, and let the worker's user reach its socket"
            ) from None
        return f"docker version {version}"

    def build(self, request: BuildRequest) -> str:
        """Build, and deliver from the daemon's own store."""
        digest = self._build(request)
        if self._settings.oci_dir is not None:
            digest = self._keep(request, self._settings.oci_dir)
        if self._settings.registry is not None:
            digest = self._push(request, self._settings.registry)
        request.context.logger.info("the image is in docker's own store as %s", request.tag)
        return digest

    def _build(self, request: BuildRequest) -> str:
        id_file = request.work / "image-id"
        command = [
            *self._command,
            "build",
            "--force-rm",
            *("--iidfile", str(id_file), "--tag", request.tag),
            *("--file", str(request.dockerfile), str(request.source)),
        ]
        run_command(request.context, command, {**os.environ, "BUILDKIT_PROGRESS": "plain"})
        return id_file.read_text().strip()

    def _keep(self, request: BuildRequest, oci_dir: Path) -> str:
        archive = request.work / "image.tar"
        layout = request.work / "image"
        save = [*self._command, "save", "--output", str(archive), request.tag]
        run_command(request.context, save, os.environ)
        layout.mkdir()
        unpack = ["tar", "--extract", "--file", str(archive), "--directory", str(layout)]
        run_command(request.context, unpack, os.environ)
        archive.unlink()
        if not (layout / "index.json").exists():
            raise BuildError("docker 25 or newer is needed to keep images in an OCI layout")
        oci_layout.add_image(request.context, layout, oci_dir, request.tag)
        return str(oci_layout.image_of(layout)["digest"])

    def _push(self, request: BuildRequest, registry: str) -> str:
        reference = f"{registry}/{request.tag}"
        environment = self._with_credentials(request.work)
        run_command(request.context, [*self._command, "tag", request.tag, reference], environment)
        run_command(request.context, [*self._command, "push", reference], environment)
        request.context.logger.info("the image is in the registry as %s", reference)
        inspect = ("image", "inspect", "--format", "{{json .RepoDigests}}", reference)
        digests = json.loads(read_output([*self._command, *inspect], environment)) or []
        return _digest(digests, reference.rpartition(":")[0])

    def _with_credentials(self, work: Path) -> Mapping[str, str]:
        if self._settings.registry_auth_file is None:
            return os.environ
        directory = work / "docker"
        directory.mkdir(mode=0o700)
        (directory / "config.json").symlink_to(self._settings.registry_auth_file.absolute())
        return {**os.environ, "DOCKER_CONFIG": str(directory)}


def _digest(entries: list[str], repository: str) -> str:
    """Return the digest that a registry gave the image, from entries `REPOSITORY@DIGEST`."""
    digests = dict(entry.split("@", 1) for entry in entries)
    # Docker leaves out the name of its own registry.
    digest = digests.get(repository) or digests.get(repository.removeprefix("docker.io/"))
    if digest is None:
        raise BuildError(f"docker does not say under which digest it pushed to {repository}")
    return digest
