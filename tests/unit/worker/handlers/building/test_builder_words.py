"""What is made of a builder's words, and what it is told about the images it may use."""

import json
import os
import sys
import threading
from pathlib import Path
from time import monotonic

import pytest

from apphub_jobs.contract import PermanentError
from catalog.handlers import builder
from catalog.handlers.buildah import write_policy
from catalog.handlers.builder import (
    BuildError,
    BuildSettings,
    failure_message,
    read_output,
    run_command,
)
from catalog.handlers.origin import CanceledError
from tests.support.contexts import context_of


@pytest.mark.parametrize(
    ("output", "message"),
    [
        (
            'STEP 1/1: RUN x\nError: building at STEP "RUN x": exit status 1\n',
            'building at STEP "RUN x": exit status 1',
        ),
        (
            "error: of a step\n1\n2\nThe command returned a non-zero code",
            "The command returned a non-zero code",
        ),
        (
            "ERROR: x\n--\n--\n\x1b[31mERROR: failed to solve: y\x1b[0m\nView details: z\n",
            "failed to solve: y",
        ),
        ("\r\n\n", "exit code 2"),
        ("", "exit code 2"),
        ("x" * 5_000, "x" * 995),
        ("caf\udce9", "caf\ufffd"),
    ],
)
def test_the_builders_last_complaint_is_the_reason(output: str, message: str) -> None:
    reason = failure_message("docker", 2, output.encode("utf-8", "surrogateescape"))
    assert reason == f"docker: {message}"[:1_000]


def test_a_signal_is_named() -> None:
    assert failure_message("buildah", -9, b"") == "buildah: ended by SIGKILL"
    assert failure_message("buildah", -9, b"last") == "buildah: ended by SIGKILL: last"


@pytest.mark.parametrize(
    ("output", "advice"),
    [
        (
            'time="now" level=error msg="finding newuidmap: not found"',
            "install --no-install-recommends uidmap",
        ),
        (
            "error setting supplemental groups list: operation not permitted\nError: x",
            "usermod --add-subuids",
        ),
        (
            "Error during unshare(CLONE_NEWUSER): Operation not permitted",
            "--security-opt seccomp=unconfined",
        ),
        (
            'Error: could not find "netavark" in one of [/x]',
            "install --no-install-recommends netavark",
        ),
        (
            'Error: short-name "node" did not resolve to an alias and no unqualified-search',
            "docker.io/library/node:22",
        ),
        ("Error: Running image oci:/x is rejected by policy.", "those that the operator provides"),
    ],
)
def test_known_failures_come_with_advice(output: str, advice: str) -> None:
    assert advice in failure_message("buildah", 1, output.encode())
    assert advice not in failure_message(
        "buildah", 1, f"printed by a step: {output}".encode().splitlines()[0]
    )


def test_output_appears_while_the_command_runs(
    capfdbinary: pytest.CaptureFixture[bytes], tmp_path: Path
) -> None:
    mark = tmp_path / "mark"
    script = (
        f"echo first; while [ ! -e {mark} ]; do sleep 0.01; done;"
        " printf 'no newline'; echo second >&2"
    )
    seen: list[bytes] = []

    def look() -> None:
        deadline = monotonic() + 30
        while b"first\n" not in b"".join(seen) and monotonic() < deadline:
            seen.append(capfdbinary.readouterr().out)
        mark.touch()

    looking = threading.Thread(target=look)
    looking.start()
    run_command(context_of(), ["sh", "-c", script], os.environ)
    looking.join()
    assert b"first\n" in b"".join(seen)
    assert b"no newlinesecond\n" in capfdbinary.readouterr().out


def test_a_process_left_behind_does_not_hold_up_the_build() -> None:
    started = monotonic()
    run_command(context_of(), ["sh", "-c", "sleep 60 & echo left it"], os.environ)
    assert monotonic() - started < 50


def test_a_command_that_closes_its_output_is_waited_for(tmp_path: Path) -> None:
    script = f"exec >&- 2>&-; sleep 0.3; touch {tmp_path}/done"
    run_command(context_of(), ["sh", "-c", script], os.environ)
    assert (tmp_path / "done").exists()


def test_a_cancel_ends_also_what_ignores_it() -> None:
    context = context_of()
    threading.Timer(0.3, context.cancelled.set).start()
    with pytest.raises(CanceledError):
        run_command(context, ["sh", "-c", "trap '' TERM; while :; do sleep 1; done"], os.environ)


def test_a_cancel_also_ends_a_process_that_was_left_behind_and_prints_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # A byte at a time, of a pipe that is full when the command ends: there is always more to read.
    monkeypatch.setattr(builder, "CHUNK_BYTES", 1)
    context = context_of()
    threading.Timer(0.3, context.cancelled.set).start()
    with pytest.raises(CanceledError):
        run_command(context, ["sh", "-c", "yes | head -c 60000; yes & exit 0"], os.environ)


def test_a_signal_without_a_name_has_its_number() -> None:
    assert failure_message("buildah", -40, b"") == "buildah: ended by signal 40"


def test_a_question_without_an_answer_is_an_error() -> None:
    with pytest.raises(BuildError, match="sh: no idea"):
        read_output(["sh", "-c", "echo no idea >&2; exit 1"], os.environ)
    assert read_output([sys.executable, "-c", "print(' 26.1 ')"], os.environ) == "26.1"


ANY, SIGNED = ([{"type": "insecureAcceptAnything"}], [{"type": "signedBy", "keyPath": "/key"}])
REJECT = [{"type": "reject"}]


@pytest.mark.parametrize(
    ("operators", "docker"),
    [
        (None, {"": ANY}),
        ({"default": ANY}, {"": ANY}),
        ({"default": REJECT}, {"": REJECT}),
        (
            {"default": REJECT, "transports": {"docker": {"r.example": SIGNED}}},
            {"": REJECT, "r.example": SIGNED},
        ),
        (
            {"default": REJECT, "transports": {"docker": {"": SIGNED}, "oci": {"": ANY}}},
            {"": SIGNED},
        ),
    ],
)
def test_a_dockerfile_gets_registries_images_as_the_operator_allows_and_no_files(
    tmp_path: Path, operators: object, docker: object
) -> None:
    if operators is not None:
        (tmp_path / "operators.json").write_text(json.dumps(operators))
    stores = [Path("/work/storage"), Path("/srv/base-images")]
    write_policy(tmp_path / "policy.json", stores, tmp_path / "operators.json")
    policy = json.loads((tmp_path / "policy.json").read_text())
    assert policy == {
        "default": REJECT,
        "transports": {
            "docker": docker,
            "containers-storage": {"[vfs@/work/storage]": ANY, "[vfs@/srv/base-images]": ANY},
        },
    }


@pytest.mark.parametrize("registry", ["https://registry.example/team", "registry.example /team"])
def test_a_registry_that_is_none_is_refused(registry: str) -> None:
    with pytest.raises(PermanentError, match=r"host\[:port\]"):
        BuildSettings.read({"registry": registry})


def test_settings_have_defaults() -> None:
    assert BuildSettings.read({}) == BuildSettings()
    nothing = {
        "builder": None,
        "registry": None,
        "ociDir": None,
        "baseImages": "",
        "registryAuthFile": None,
    }
    assert BuildSettings.read(nothing) == BuildSettings()
    assert (
        BuildSettings.read({"registry": "registry.example:5000/team/"}).registry
        == "registry.example:5000/team"
    )
