"""Stores of images, as operators and other users of the machine have them."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from catalog.handlers.buildah import current_limits
from tests.support.building.builds import BUSYBOX
from worker.executors.local.workplace import remove_directory


def made_base_images(directory: Path) -> Path:
    """Make a store of base images with `localhost/busybox`, as an operator does; return it."""
    context, store = directory / "context", directory / "store"
    context.mkdir()
    shutil.copy(BUSYBOX, context / "busybox")
    (context / "Dockerfile").write_text(
        'FROM scratch\nCOPY busybox /bin/busybox\nRUN ["/bin/busybox", "--install", "-s", "/bin"]\n'
    )
    options = ("--isolation", "chroot", *current_limits(), "--tag", "localhost/busybox")
    done = _buildah(store, "build", *options, str(context))
    forbidden = "unshare(CLONE_NEWUSER): Operation not permitted" in done.stderr
    if forbidden and os.environ.get("APPHUB_TEST_BUILDER") != "required":
        pytest.skip(
            "images cannot be built here: this container may not make namespaces,"
            " which is its host's decision"
        )
    assert done.returncode == 0, done.stdout + done.stderr
    return store


def made_store(directory: Path, greeting: str) -> Path:
    """Make somebody else's store with `localhost/other`, which holds a greeting; return it."""
    context, store = directory / "context", directory / "store"
    context.mkdir(parents=True)
    (context / "greeting").write_text(greeting)
    (context / "Dockerfile").write_text("FROM scratch\nCOPY greeting /greeting\n")
    options = ("--isolation", "chroot", *current_limits(), "--tag", "localhost/other")
    done = _buildah(store, "build", *options, str(context))
    assert done.returncode == 0, done.stdout + done.stderr
    return store


def pulled(store: Path, image: str) -> str:
    """Return the id of an image that buildah takes from a place into a store; remove the store."""
    done = _buildah(store, "pull", image)
    remove_directory(store)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def _buildah(store: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    roots = ("--root", str(store), "--runroot", f"{store}-run", "--storage-driver", "vfs")
    own = {**os.environ, "HOME": str(store.parent), "XDG_RUNTIME_DIR": str(store.parent)}
    return subprocess.run(
        ["buildah", *roots, *arguments], capture_output=True, text=True, env=own, check=False
    )
