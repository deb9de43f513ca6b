"""What strangers put into files, names and settings: nothing outside is read, nothing is run."""

from pathlib import Path
from typing import Any

import pytest

from apphub_jobs.contract import PermanentError
from catalog.handlers import ingest
from catalog.handlers.git import GitError, RefusedError, clone
from catalog.handlers.untrusted import MAX_TEXT_BYTES
from tests.support.git.repositories import app_at, committed, context_of, git, imported, repository

pytestmark = pytest.mark.usefixtures("directory")

DOCKERFILE = {b"Dockerfile": b"FROM scratch\n"}


def record(origin: Path, **settings: Any) -> dict[str, Any]:
    (effect,) = ingest.execute(context_of(app_at(str(origin)), **settings)).effects
    return dict(effect.data)


AS_GIVEN = {"name": "Shop", "description": "As given", "preview_tiles": []}


def record_of(app: dict[str, Any]) -> dict[str, Any]:
    return {name: app[name] for name in AS_GIVEN}


# Links and names ----------------------------------------------------------------------------------


def test_links_out_of_the_tree_are_not_read(tmp_path: Path) -> None:
    (tmp_path / "secret.md").write_text("a secret")
    (tmp_path / "package.json").write_text('{"name": "secret"}')
    (tmp_path / "tags.yaml").write_text("secret: secret")
    (tmp_path / "shot.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    outside = str(tmp_path).encode()
    links = {
        b"README.md": outside + b"/secret.md",
        b"package.json": outside + b"/package.json",
        b"tags.yaml": b"../../tags.yaml",
        b"shot.png": b"../../shot.png",
        b"up": b"../..",
        b"previews.json": b"up/previews.json",
        b"circle": b"circle",
    }
    app = record(
        imported(
            tmp_path,
            {b"ops/Dockerfile": b"FROM scratch"},
            {**links, b"Dockerfile": b"up/Dockerfile"},
        )
    )
    assert app["dockerfile_path"] == "ops/Dockerfile"
    assert record_of(app) == AS_GIVEN
    assert [tag["key"] for tag in app["tags"]] == ["Runtime"]


def test_links_to_devices_and_directories_are_not_read(tmp_path: Path) -> None:
    links = {
        b"README.md": b"/dev/zero",
        b"tags.yaml": b"/dev/stdin",
        b"previews.json": b"/",
        b"Dockerfile": b"/dev/zero",
    }
    with pytest.raises(PermanentError, match="Dockerfile not found"):
        record(imported(tmp_path, {}, links))


def test_gits_own_files_are_no_files_of_the_repository(tmp_path: Path) -> None:
    app = record(
        imported(tmp_path, DOCKERFILE, {b"README.md": b".git/config", b"tags.yaml": b".git/HEAD"})
    )
    assert app["description"] == "As given"
    assert [tag["key"] for tag in app["tags"]] == ["Runtime"]


@pytest.mark.parametrize("name", ["..", ".git", ".GIT", "git~1"])
def test_a_name_that_leads_out_of_its_directory_is_refused(tmp_path: Path, name: str) -> None:
    origin = repository(tmp_path, {})
    blob = git(origin, "hash-object", "-w", "--stdin", stdin=b"x")
    committed(origin, f"100644 blob {blob}\t{name}\n")
    with pytest.raises(RefusedError, match=r"a path that cannot be checked out(.|\n)*invalid path"):
        record(origin)


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ((b"x" * 200 + b"/") * 20 + b"file", "a path that is too long or too deep: xxx"),
        (b"x" * 300, "a path that is too long or too deep: xxx"),
        (b"d/" * 200 + b"file", "a path that is too long or too deep: d/d/d/"),
        # Git itself refuses some of these; which words it has for that depends on its version.
        (b"d/" * 2_500 + b"file", "too long or too deep|cannot be checked out"),
    ],
)
def test_a_path_beyond_the_system_s_limits_is_refused(
    tmp_path: Path, path: bytes, message: str
) -> None:
    with pytest.raises(GitError, match=message) as failed:
        record(imported(tmp_path, {path: b"x"}))
    assert len(str(failed.value)) < 4_000


def test_a_deep_tree_is_read(tmp_path: Path) -> None:
    deep = b"d/" * 199 + b"Dockerfile"
    with pytest.raises(PermanentError, match="Dockerfile not found"):
        record(imported(tmp_path, {deep: b"FROM scratch"}))
    assert len(list(Path("clone").glob("d/d/d"))) == 1


def test_odd_names_and_encodings_are_read(tmp_path: Path) -> None:
    files = {
        **DOCKERFILE,
        b"Dockerfile.\xff\xfe": b"FROM node:20",
        b"new\nline": b"x",
        b"README.md": "Größe".encode("latin-1"),
        b"package.json": '{"name": "größe"}'.encode("utf-16"),
        b"tags.yaml": "größe: ü\n".encode("latin-1"),
    }
    app = record(imported(tmp_path, files))
    assert (app["name"], app["description"]) == ("größe", "Gr\ufffd\ufffde")
    assert {"key": "gr\ufffd\ufffde", "value": "\ufffd"} in app["tags"]


# Contents -----------------------------------------------------------------------------------------

LAUGHS = "a: &a [lol]\n" + "".join(
    f"{b}: &{b} [{', '.join([f'*{a}'] * 10)}]\n"
    for a, b in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.timeout(150)
@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("tags.yaml", LAUGHS, "tags.yaml: left out: aliases are not followed"),
        ("previews.yaml", LAUGHS, "previews.yaml: left out: aliases are not followed"),
        ("tags.yaml", "a: [b", "tags.yaml is skipped: it is no YAML"),
        ("tags.yaml", "a: !!python/object/apply:os.getpid []", "tags.yaml: left out: the tag"),
        ("tags.yaml", "[" * 60_000, "tags.yaml is skipped: it is nested deeper than 32 levels"),
        ("tags.yaml", "a: b\n" * 20_000, "tags.yaml is skipped: it is larger than 65536 bytes"),
        ("tags.json", "[" * 60_000, "tags.json is skipped: it is nested too deeply"),
        ("previews.json", '{"tiles":' * 7_000, "previews.json is skipped: it is nested too deeply"),
        ("package.json", "[" * 1_000_000, "package.json is skipped: it is nested too deeply"),
        ("package.json", "9" * 1_000_000, "package.json is skipped: it is no JSON"),
        (
            "package.json",
            " " * (MAX_TEXT_BYTES + 1),
            "package.json is skipped: it is larger than 1048576 bytes",
        ),
        ("README.md", "x" * (MAX_TEXT_BYTES + 1), ""),
        ("README.md", "![" * 500_000, ""),
    ],
)
def test_a_broken_or_hostile_file_is_passed_over_and_the_log_tells(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, name: str, content: str, message: str
) -> None:
    app = record(imported(tmp_path, {**DOCKERFILE, name.encode(): content.encode()}))
    assert app["preview_tiles"] == []
    # An odd entry of a list or map is left out alone: the first one names no other.
    kept = ["a"] if (name, content) == ("tags.yaml", LAUGHS) else []
    assert [tag["key"] for tag in app["tags"]] == ["Runtime", *kept]
    assert message in caplog.text


def test_a_giant_dockerfile_is_found_and_not_read(tmp_path: Path) -> None:
    app = record(imported(tmp_path, {b"Dockerfile": b"FROM node:20\n" * 200_000}))
    assert (app["dockerfile_path"], len(app["tags"])) == ("Dockerfile", 1)


# Hooks, submodules, LFS, and the settings of a local repository -----------------------------------


def test_pointers_of_large_files_stay_pointers(tmp_path: Path) -> None:
    pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 5\n"
    attributes = b"*.png filter=lfs diff=lfs merge=lfs -text\n"
    files = {
        b".gitattributes": attributes,
        b"shot.png": pointer,
        b"README.md": b"![Shot](shot.png)",
    }
    app = record(imported(tmp_path, {**DOCKERFILE, **files}))
    assert app["preview_tiles"] == []
    assert Path("clone/shot.png").read_bytes() == pointer


def test_nothing_that_a_local_repository_s_settings_name_is_run(tmp_path: Path) -> None:
    origin = repository(tmp_path, {"Dockerfile": "FROM scratch", "a": "1"})
    mark = tmp_path / "run"
    program = tmp_path / "program"
    program.write_text(f'#!/bin/sh\necho "$0" >> {mark}\nexec "$@"\n')
    program.chmod(0o755)
    for name in (
        "post-checkout",
        "post-update",
        "pre-receive",
        "reference-transaction",
        "pre-auto-gc",
    ):
        (origin / ".git/hooks").mkdir(exist_ok=True)
        (origin / ".git/hooks" / name).symlink_to(program)
    for name in (
        "uploadpack.packObjectsHook",
        "core.fsmonitor",
        "core.alternateRefsCommand",
        "core.sshCommand",
    ):
        git(origin, "config", name, str(program))
    clone(context_of(), str(origin), Path("clone"))
    assert not mark.exists()
    git(origin, "-c", "core.fsmonitor=" + str(program), "status")
    assert mark.exists()  # So the program would have left its mark.


def test_a_local_repository_does_not_say_from_where_its_objects_are_fetched(tmp_path: Path) -> None:
    origin = repository(tmp_path, {"Dockerfile": "FROM scratch"})
    mark = tmp_path / "run"
    blob = git(origin, "rev-parse", "HEAD:Dockerfile")
    (origin / ".git/objects" / blob[:2] / blob[2:]).unlink()
    settings = {
        "core.repositoryFormatVersion": "1",
        "extensions.partialClone": "origin",
        "remote.origin.promisor": "true",
        "remote.origin.url": f"ext::touch {mark}",
        "protocol.ext.allow": "always",
    }
    for name, value in settings.items():
        git(origin, "config", name, value)
    with pytest.raises(GitError):
        clone(context_of(), str(origin), Path("clone"))
    assert not mark.exists()


def test_local_paths_can_be_switched_off(tmp_path: Path) -> None:
    origin = repository(tmp_path, {"Dockerfile": "FROM scratch"})
    for url in (str(origin), f"file://{origin}", f"file:{origin}", f"FILE://localhost{origin}"):
        with pytest.raises(PermanentError, match="local paths are switched off here"):
            ingest.execute(context_of(app_at(url), allowLocalPaths=False))
    assert not Path("clone").exists()
    assert record(origin, allowLocalPaths=True)["dockerfile_path"] == "Dockerfile"
