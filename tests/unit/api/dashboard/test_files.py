"""The dashboard's files: small, with their licences, and nothing inline."""

import gzip
import json
import re

from api.bootstrap.environment import Colour, Environment
from api.dashboard.pages import BUILT, POLICY, document, web
from tests import ROOT

MAX_BYTES_GZIPPED = 150_000

WEB = BUILT.parent / "web"
"""The sources."""

PACKAGES = ("preact", "htm", "@preact/signals", "@preact/signals-core")

LOCKED = json.loads((ROOT / "package-lock.json").read_text())["packages"]


def test_all_of_it_is_small() -> None:
    """A browser that has nothing yet gets all of it within a moment, over a slow line, too."""
    dashboard = web()
    sizes = {name: len(file.compressed) for name, file in dashboard.files.items()}
    sizes["index.html"] = len(gzip.compress(document(dashboard, Environment()).html))
    print(f"{sum(sizes.values()):,} bytes, gzipped: {sizes}")
    assert sum(sizes.values()) <= MAX_BYTES_GZIPPED


def test_every_package_in_it_comes_with_its_licence() -> None:
    licences = web().files["licences.txt"].body.decode()
    headings = re.findall(r"^(\S+) (\S+) \((?:MIT|Apache-2.0)\)$", licences, re.MULTILINE)
    locked = {name: LOCKED[f"node_modules/{name}"]["version"] for name in PACKAGES}
    assert dict(headings) == locked


def test_the_lock_file_names_no_registry() -> None:
    """Whichever is configured has the packages: the hashes say that they are the same."""
    assert [name for name, package in LOCKED.items() if "resolved" in package] == []
    assert [name for name, package in LOCKED.items() if name and "integrity" not in package] == []


def test_no_markup_holds_scripts_or_styles() -> None:
    """The policy would refuse them."""
    inline = re.compile(r"<[^>]*\s(?:style=\"|on[a-z]+=\")|javascript:|\beval\(|new Function")
    problems = [
        str(path.relative_to(WEB))
        for path in WEB.rglob("*")
        if path.suffix in {".js", ".html"} and inline.search(path.read_text())
    ]
    assert problems == []


def test_the_page_names_its_environment_whatever_that_is_called() -> None:
    name = '"><script>alert(1)</script>'
    page = document(web(), Environment(name, Colour.RED))
    html = page.html.decode()
    assert "<script>alert" not in html
    assert 'data-colour="red"' in html
    assert "{{" not in html


def test_nothing_is_inline_and_the_policy_allows_nothing() -> None:
    html = document(web(), Environment()).html.decode()
    assert re.findall(r"<script[^>]*>([^<]*)</script>", html) == [""]
    assert "<style" not in html
    assert "unsafe" not in POLICY
    assert "sha256" not in POLICY


def test_another_environment_is_another_page() -> None:
    names = ["", "staging", "production"]
    etags = {document(web(), Environment(name)).etag for name in names}
    assert len(etags) == len(names)
