"""An OCI layout stays whole, whoever is killed while writing to it."""

import fcntl
import hashlib
import json
import threading
from pathlib import Path
from typing import Any

import pytest

from catalog.handlers.builder import BuildError
from catalog.handlers.oci_layout import add_image, image_of
from catalog.handlers.origin import CanceledError
from tests.support.contexts import context_of


def made(layout: Path, *contents: bytes) -> dict[str, Any]:
    """Make a layout of one image, whose first blob is its manifest; return its descriptor."""
    blobs = layout / "blobs" / "sha256"
    blobs.mkdir(parents=True)
    for content in contents:
        (blobs / hashlib.sha256(content).hexdigest()).write_bytes(content)
    descriptor = {
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "digest": f"sha256:{hashlib.sha256(contents[0]).hexdigest()}",
        "size": len(contents[0]),
    }
    index = {"schemaVersion": 2, "manifests": [{**descriptor, "annotations": {"other": "thing"}}]}
    (layout / "index.json").write_text(json.dumps(index))
    return descriptor


def names(layout: Path) -> dict[str, str]:
    """Return which digest each reference of a layout names."""
    entries = json.loads((layout / "index.json").read_text())["manifests"]
    return {
        entry["annotations"]["org.opencontainers.image.ref.name"]: entry["digest"]
        for entry in entries
    }


def blobs(layout: Path) -> set[str]:
    return {file.name for file in (layout / "blobs" / "sha256").iterdir()}


def test_images_come_together_in_one_layout(tmp_path: Path) -> None:
    first, second = (
        made(tmp_path / "1", b"one", b"common"),
        made(tmp_path / "2", b"two", b"common"),
    )
    add_image(context_of(), tmp_path / "1", tmp_path / "all", "apphub/a:1")
    add_image(context_of(), tmp_path / "2", tmp_path / "all", "apphub/b:2")
    assert names(tmp_path / "all") == {
        "apphub/a:1": first["digest"],
        "apphub/b:2": second["digest"],
    }
    assert blobs(tmp_path / "all") == {
        hashlib.sha256(content).hexdigest() for content in (b"one", b"two", b"common")
    }
    assert json.loads((tmp_path / "all/oci-layout").read_text()) == {"imageLayoutVersion": "1.0.0"}
    assert image_of(tmp_path / "1") == first


def test_an_image_replaces_what_had_its_name(tmp_path: Path) -> None:
    made(tmp_path / "1", b"one")
    second = made(tmp_path / "2", b"two")
    for number in (1, 2, 2):
        add_image(context_of(), tmp_path / str(number), tmp_path / "all", "apphub/a:1")
    assert names(tmp_path / "all") == {"apphub/a:1": second["digest"]}
    assert len(json.loads((tmp_path / "all/index.json").read_text())["manifests"]) == 1


def test_what_a_killed_build_left_is_removed(tmp_path: Path) -> None:
    made(tmp_path / "1", b"one")
    left = tmp_path / "all/blobs/sha256" / f"{hashlib.sha256(b'one').hexdigest()}.partial"
    left.parent.mkdir(parents=True)
    left.write_bytes(b"o")
    (tmp_path / "all/index.json.partial").write_text("{")
    add_image(context_of(), tmp_path / "1", tmp_path / "all", "apphub/a:1")
    assert not list((tmp_path / "all").rglob("*.partial"))
    assert blobs(tmp_path / "all") == {hashlib.sha256(b"one").hexdigest()}


def test_an_image_is_named_only_once_it_is_whole(tmp_path: Path) -> None:
    made(tmp_path / "1", b"one")
    add_image(context_of(), tmp_path / "1", tmp_path / "all", "apphub/a:1")
    made(tmp_path / "2", b"two", b"damaged")
    (tmp_path / "2/blobs/sha256" / hashlib.sha256(b"damaged").hexdigest()).write_bytes(b"damage")
    before = (tmp_path / "all/index.json").read_bytes()
    with pytest.raises(BuildError, match="a blob that is not what its name says"):
        add_image(context_of(), tmp_path / "2", tmp_path / "all", "apphub/b:2")
    assert (tmp_path / "all/index.json").read_bytes() == before
    assert hashlib.sha256(b"damaged").hexdigest() not in blobs(tmp_path / "all")


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"manifests": 7}', '{"manifests": ["x"]}'])
def test_a_strangers_index_is_left_alone(tmp_path: Path, content: str) -> None:
    made(tmp_path / "1", b"one")
    (tmp_path / "all").mkdir()
    (tmp_path / "all/index.json").write_text(content)
    with pytest.raises(BuildError, match="is no index of an OCI layout"):
        add_image(context_of(), tmp_path / "1", tmp_path / "all", "apphub/a:1")
    assert (tmp_path / "all/index.json").read_text() == content


@pytest.mark.parametrize(
    "content", [None, "{}", '{"manifests": []}', '{"manifests": [{}, {}]}', '{"manifests": [{}]}']
)
def test_a_builder_that_wrote_no_single_image_is_found_out(
    tmp_path: Path, content: str | None
) -> None:
    if content is not None:
        (tmp_path / "index.json").write_text(content)
    with pytest.raises(BuildError, match="no OCI layout of one image"):
        image_of(tmp_path)


def test_writers_take_turns_and_can_be_canceled_while_they_wait(tmp_path: Path) -> None:
    descriptor = made(tmp_path / "1", b"one")
    layout = tmp_path / "all"
    layout.mkdir()
    waiting = context_of()
    with (layout / ".lock").open("ab") as holder:
        # Even a reader is waited for: a writer wants to be alone.
        fcntl.flock(holder, fcntl.LOCK_SH)
        waiting.cancelled.set()
        with pytest.raises(CanceledError):
            add_image(waiting, tmp_path / "1", layout, "apphub/a:1")
        patient = threading.Thread(
            target=add_image, args=(context_of(), tmp_path / "1", layout, "apphub/a:1")
        )
        patient.start()
        patient.join(0.5)
        assert patient.is_alive()
        assert not (layout / "index.json").exists()
    patient.join(90)
    assert names(layout) == {"apphub/a:1": descriptor["digest"]}
