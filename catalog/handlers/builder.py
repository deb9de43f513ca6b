"""The port of `repository-build`: a build's request, its builder, and its errors.

First advice for failures that a builder's own words do not explain, then errors, settings and the
port (`Builder`), then how builders' commands run: they print as they work, and end when the run is
canceled.
"""

import os
import re
import select
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Any, Literal, Protocol

from apphub_jobs.contract import JobRunContext, PermanentError
from catalog.handlers.origin import CanceledError
from catalog.handlers.untrusted import strip_control_sequences

# Advice for failures that the builder's own words do not explain to an operator.

INSTALL_UIDMAP = "apt-get install --no-install-recommends uidmap"
INSTALL_BUILDAH = "apt-get install --no-install-recommends buildah crun netavark"
INSTALL_SLIRP = "apt-get install --no-install-recommends slirp4netns"
INSTALL_PODMAN = "apt-get install --no-install-recommends podman crun netavark"
ADD_IDS = "usermod --add-subuids 100000-165535 --add-subgids 100000-165535 USER"
SEARCH = 'unqualified-search-registries = ["docker.io"] in /etc/containers/registries.conf'

CLOSE_THE_API = (
    "give the API tokens (APPHUB_TOKENS_FILE, also for its workers);"
    " or set APPHUB_BUILD_NETWORK=host, if every repository can be trusted"
)
"""While the API has no tokens, the steps of a stranger's Dockerfile could use it."""

ALLOW_NAMESPACES = "--security-opt seccomp=unconfined"
IN_FULL = "docker.io/library/node:22"

_SPEAKER = re.compile(r'^(?:time="|error|warn)', re.IGNORECASE)
"""How lines of the builder itself begin; what the steps of a Dockerfile print does not count."""

_ADVICE = (
    (r"newuidmap", f"builds by an ordinary user need newuidmap: {INSTALL_UIDMAP}"),
    (
        r"no subuid ranges|setting supplemental groups",
        f"builds by an ordinary user need ids of their own: {ADD_IDS}",
    ),
    (
        r"unshare\(CLONE_NEWUSER\): Operation not permitted",
        f"a worker in a container must be allowed to make namespaces: {ALLOW_NAMESPACES}",
    ),
    (r'could not find "netavark"', "install it: apt-get install --no-install-recommends netavark"),
    (
        r"short-name .* did not resolve|no unqualified-search",
        f"name the image in full, such as {IN_FULL}, or let the operator set {SEARCH}",
    ),
    (
        r"rejected by policy",
        "a Dockerfile may use images of registries and those that the operator provides",
    ),
)


def advice_for(lines: Sequence[str]) -> list[str]:
    """Return advice for a builder's complaints; often there is none."""
    spoken = "\n".join(line for line in lines if _SPEAKER.match(line))
    return [advice for pattern, advice in _ADVICE if re.search(pattern, spoken)]


class BuildError(Exception):
    """The image was not built or delivered; the message says why, and what helps."""


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
        registry_tls_verify: False for a registry without TLS, or with a self-signed certificate.
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
        if any(letter.isspace() for letter in registry) or "://" in registry:
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
    return Path(value) if value else None


@dataclass(frozen=True)
class BuildRequest:
    """What to build.

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
    """Builds images and delivers them as the operator's settings say."""

    @property
    def name(self) -> str:
        """How operators call it."""

    def check(self) -> str:
        """Return the builder's version.

        Raises:
            UnusableError: it cannot be used here.
        """

    def build(self, request: BuildRequest) -> str:
        """Build and deliver the image; return its digest (`docs/building.md` says of what).

        Raises:
            BuildError: it failed.
            CanceledError: the run is being canceled.
        """


POLL_S = 0.1

END_GRACE_S = 2.0
"""Between a builder's SIGTERM and its SIGKILL; below a worker's own grace time."""

DRAIN_S = 10.0
"""How long output is read after the builder has ended, if others go on printing."""

CHUNK_BYTES = 65_536

TAIL_BYTES = 32_768
"""What is searched for the reason of a failure."""

ANSWER_TIMEOUT_S = 20.0

LAST_LINES = 3
"""Among these is a builder's own complaint; what stands before them is the output of the
Dockerfile's steps."""

_COMPLAINT = re.compile(r"^(?:error|fatal)\b[: ]*", re.IGNORECASE)

MAX_MESSAGE_LENGTH = 1_000


def run_command(
    context: JobRunContext,
    command: Sequence[str],
    environment: Mapping[str, str],
    name: str | None = None,
) -> None:
    """Run a command to its end, and print its output as it comes.

    Args:
        context: of the run.
        command: a program and its arguments.
        environment: all of it.
        name: what errors call it, where that is not the program.

    Raises:
        BuildError: it failed.
        CanceledError: the run is being canceled; the command and its process group have
            ended.
    """
    process = subprocess.Popen(  # noqa: S603 - a builder that the operator installed, without a shell
        list(command),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=dict(environment),
        start_new_session=True,
    )
    output = _Output(process)
    with process:
        try:
            _watch_process(context, process, output)
        except BaseException:
            _end(process)  # Else leaving would wait for it.
            raise
    if process.returncode != 0:
        raise BuildError(failure_message(name or command[0], process.returncode, output.tail))


def _watch_process(
    context: JobRunContext, process: "subprocess.Popen[bytes]", output: "_Output"
) -> None:
    while process.poll() is None:
        output.forward(POLL_S)
        if context.cancelled.is_set():
            raise CanceledError
    # A process that a step left in the background may hold the pipe open, or even go on printing.
    drain_until = monotonic() + DRAIN_S
    while output.forward(0) and monotonic() < drain_until:
        if context.cancelled.is_set():
            raise CanceledError


def read_output(command: Sequence[str], environment: Mapping[str, str]) -> str:
    """Return the output of a short command.

    Raises:
        BuildError: it failed, or does not answer.
    """
    try:
        answer = subprocess.run(  # noqa: S603 - as above
            list(command),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            env=dict(environment),
            timeout=ANSWER_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise BuildError(f"{command[0]} does not answer") from None
    if answer.returncode != 0:
        raise BuildError(
            failure_message(command[0], answer.returncode, answer.stdout + answer.stderr)
        )
    return answer.stdout.decode("utf-8", "replace").strip()


def failure_message(program: str, code: int, output: bytes) -> str:
    """Return one line that says why a command failed, with advice if there is any."""
    printed = output.decode("utf-8", "replace").splitlines()
    lines = [text for line in printed if (text := strip_control_sequences(line).strip())]
    complaint = _last_complaint(lines[-LAST_LINES:])
    if code < 0:
        ended = f"ended by {_signal_name(-code)}"
        complaint = f"{ended}: {complaint}" if complaint else ended
    why = _COMPLAINT.sub("", complaint) or f"exit code {code}"
    return "; ".join([f"{program}: {why}"[:MAX_MESSAGE_LENGTH], *advice_for(lines)])


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:  # Most real-time signals have no name.
        return f"signal {number}"


def _last_complaint(lines: Sequence[str]) -> str:
    """Return the last line that complains, else the last one."""
    complaints = (line for line in reversed(lines) if _COMPLAINT.match(line))
    return next(complaints, lines[-1] if lines else "")


class _Output:
    """A running command's output."""

    def __init__(self, process: "subprocess.Popen[bytes]") -> None:
        self._process = process
        self._open = True
        self.tail = b""

    def forward(self, timeout_s: float) -> bool:
        """Print output that is there, or comes within this time; return whether there was any."""
        pipe = self._process.stdout
        if pipe is None or not self._open:
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(timeout_s)
            return False
        readable, _, _ = select.select([pipe], [], [], timeout_s)
        if not readable:
            return False
        chunk = os.read(pipe.fileno(), CHUNK_BYTES)
        self._open = bool(chunk)
        self.tail = (self.tail + chunk)[-TAIL_BYTES:]
        sys.stdout.buffer.write(chunk)
        sys.stdout.buffer.flush()
        return self._open


def _end(process: "subprocess.Popen[bytes]") -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with suppress(subprocess.TimeoutExpired):
            process.wait(END_GRACE_S)
            return
