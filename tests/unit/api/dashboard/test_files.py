"""The dashboard's files: what is vendored is what was published, and all of it is small."""

import base64
import gzip
import hashlib
import json
import re
import shutil
import subprocess
import tarfile
from pathlib import Path
from typing import Any, cast

import pytest

from api.bootstrap.environment import Colour, Environment
from api.dashboard.pages import MANIFEST, PAGE, WEB, document, web, without_comments
from tests import ROOT

MOST_BYTES_GZIPPED = 150_000

VENDOR = WEB / "vendor"

PACKAGES = cast("list[dict[str, Any]]", json.loads((WEB / MANIFEST).read_text()))


def _own() -> list[Path]:
    return [path for path in WEB.rglob("*") if path.is_file() and VENDOR not in path.parents]


def test_the_manifest_names_every_vendored_file_and_its_hash() -> None:
    named = {
        VENDOR / package["folder"] / name: file["sha256"]
        for package in PACKAGES
        for name, file in package["files"].items()
    }
    found = {
        path: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in VENDOR.rglob("*")
        if path.is_file() and path != WEB / MANIFEST
    }
    assert found == named


def test_every_package_comes_with_its_licence() -> None:
    for package in PACKAGES:
        assert package["licence"] in {"MIT", "Apache-2.0"}
        assert "LICENSE" in package["files"]


def test_vendored_files_are_those_of_the_registrys_packages(tmp_path: Path) -> None:
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("npm is not installed")
    wanted = [f"{package['package']}@{package['version']}" for package in PACKAGES]
    command = [npm, "pack", "--json", "--fetch-retries=0", "--fetch-timeout=10000"]
    packed = subprocess.run(
        [*command, *wanted], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    if packed.returncode != 0:
        pytest.skip("the registry cannot be reached")
    names = {one["name"]: one["filename"] for one in json.loads(packed.stdout)}
    for package in PACKAGES:
        archive = tmp_path / names[package["package"]]
        digest = hashlib.sha512(archive.read_bytes()).digest()
        integrity = f"sha512-{base64.b64encode(digest).decode()}"
        assert integrity == package["integrity"], package["package"]
        with tarfile.open(archive) as published:
            for name, file in package["files"].items():
                member = published.extractfile(f"package/{file['from']}")
                assert member is not None
                here = VENDOR / package["folder"] / name
                assert member.read() == here.read_bytes(), here


def test_all_of_it_is_small() -> None:
    """A browser that has nothing yet gets all of it within a moment, over a slow line, too."""
    own = sum(path.stat().st_size for path in _own())
    page = gzip.compress((WEB / PAGE).read_bytes(), mtime=0)
    loaded = [file for name, file in web().files.items() if "." in name and name != MANIFEST]
    gzipped = len(page) + sum(len(file.compressed) for file in loaded)
    print(f"own: {own:,} bytes in {len(_own())} files; all, gzipped: {gzipped:,} bytes")
    assert gzipped <= MOST_BYTES_GZIPPED


def test_types_are_checked_against_the_vendored_versions() -> None:
    development = json.loads((ROOT / "package.json").read_text())["devDependencies"]
    vendored = {package["package"]: package["version"] for package in PACKAGES}
    common = vendored.keys() & development.keys()
    assert {"preact", "htm", "@preact/signals"} <= common
    assert {name: development[name] for name in common} == {name: vendored[name] for name in common}


def test_the_lock_file_names_no_registry() -> None:
    """Whichever is configured has the packages: the hashes say that they are the same."""
    packages = json.loads((ROOT / "package-lock.json").read_text())["packages"]
    assert [name for name, package in packages.items() if "resolved" in package] == []
    assert [name for name, package in packages.items() if name and "integrity" not in package] == []


def test_comments_stay_behind_and_lines_keep_their_numbers() -> None:
    code = b"""// What this is.
/** @returns {number} two\n * of them */
export const two = () => /** @type {number} */ (2); // Here it stays.
const address = "http://x"; /* and here */
"""
    assert without_comments(code) == b"\n\n\n" + code.partition(b"*/\n")[2]


def test_no_markup_holds_scripts_or_styles() -> None:
    """The policy would refuse them."""
    inline = re.compile(r"<[^>]*\s(?:style=\"|on[a-z]+=\")|javascript:|\beval\(|new Function")
    found = [
        str(path.relative_to(WEB))
        for path in _own()
        if path.suffix in {".js", ".html"} and inline.search(path.read_text())
    ]
    assert found == []


def test_the_page_names_its_environment_whatever_that_is_called() -> None:
    name = '"><script>alert(1)</script>'
    page = document(web(), Environment(name, Colour.RED))
    html = page.html.decode()
    assert "<script>alert" not in html
    assert 'data-colour="red"' in html
    assert "{{" not in html


def test_the_policy_allows_the_pages_own_import_map_and_nothing_else_inline() -> None:
    page = document(web(), Environment())
    inline = re.findall(r"<script[^>]*>([^<]+)</script>", page.html.decode())
    assert len(inline) == 1
    digest = base64.b64encode(hashlib.sha256(inline[0].encode()).digest()).decode()
    assert f"'sha256-{digest}'" in page.policy
    assert "unsafe" not in page.policy


def test_another_environment_is_another_page() -> None:
    names = ["", "staging", "production"]
    etags = {document(web(), Environment(name)).etag for name in names}
    assert len(etags) == len(names)
