"""Repositories of kinds that are easily misread, and the records that ingestion makes of them."""

import struct
from collections.abc import Callable
from pathlib import Path

from tests.e2e.catalog.record_cases import SCRATCH, Case, Json, package, tile
from tests.support.git.repositories import git, repository

NO_DOCKERFILE: Json = {
    "ingestStatus": "failed",
    "ingestError": "Dockerfile not found, unable to launch app",
}

POINTER = f"version https://git-lfs.github.com/spec/v1\noid sha256:{'0' * 64}\nsize 123456\n"

SHOT, BADGE = "https://x.org/shot.png", "https://img.shields.io/npm/v/shop.svg"

ICON = b"\x89PNG\r\n\x1a\n" + struct.pack(">I4sII", 13, b"IHDR", 640, 32)

ODD_CASES: dict[str, Case] = {
    "explicit": Case(
        {
            "Dockerfile": "FROM node:20\n",
            "package.json": package(name="shop-front", dependencies={"next": "14"}),
            "tags.yaml": "team: web\n",
            "README.md": f"Sells things.\n\n![Shot]({SHOT})\n",
        },
        {
            "metadataStrategy": "explicit",
            "previewTiles": [tile(0, "readme", title="Shot", src=SHOT)],
        },
        app={"metadataStrategy": "explicit", "tags": [{"key": "Team", "value": "Shop"}]},
    ),
    "launch-variables": Case(
        {
            "Dockerfile": SCRATCH,
            ".env.template": "# where\nexport PORT=80 # here\nTOKEN=\n",
            ".env.example": "NEVER=1\n",
        },
        {"launchEnvTemplates": [{"key": "PORT", "value": "80"}, {"key": "TOKEN", "value": ""}]},
    ),
    "lower-case": Case(
        {"dockerfile": "FROM nginx\n", "a/Dockerfile": SCRATCH},
        {"dockerfilePath": "dockerfile", "tags": ["runtime:nginx"]},
    ),
    "lower-case-containerfile": Case(
        {"images/web/containerfile": SCRATCH}, {"dockerfilePath": "images/web/containerfile"}
    ),
    "suffixed": Case(
        {"docker/linux-amd64.Dockerfile": SCRATCH, "docker/z/Dockerfile": SCRATCH},
        {"dockerfilePath": "docker/linux-amd64.Dockerfile"},
    ),
    "badges": Case(
        {
            "Dockerfile": SCRATCH,
            "README.md": (
                f"# Shop\n[![npm]({BADGE})](x)\n<img src='icon.png'>\n"
                f"![Logo](https://x.org/logo.svg)\n![Screenshot]({SHOT})\n"
            ),
            "icon.png": ICON,
        },
        {
            "description": f"[![npm]({BADGE})](x)",
            "previewTiles": [
                tile(0, "readme", title="Screenshot", src=SHOT),
                tile(1, "readme", title="Logo", src="https://x.org/logo.svg"),
                tile(2, "readme", title="npm", src=BADGE),
                tile(3, "readme", src="data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAoAAAAAg"),
            ],
        },
    ),
    "monorepo": Case(
        {
            "package.json": package(name="shops", workspaces=["apps/*"]),
            "apps/web/package.json": package(name="web", dependencies={"next": "1"}),
            "apps/web/Dockerfile": "FROM node:22\n",
            "apps/api/Dockerfile.dev": "FROM python:3.12\n",
            "README.md": "# Shops\n\nAll of them.\n",
        },
        {
            "name": "shops",
            "description": "All of them.",
            "dockerfilePath": "apps/api/Dockerfile.dev",
            "tags": ["language:python", "runtime:python312"],
        },
    ),
    "readme-elsewhere": Case(
        {
            "Dockerfile": SCRATCH,
            "README.rst": "Shop\n====\n\nSells things.\n",
            ".github/README.md": "Not this.\n",
            "docs/README.md": "Nor this.\n",
        },
        {},
    ),
    "several-dockerfiles": Case(
        dict.fromkeys(
            ("Dockerfile.dev", "Dockerfile.prod", "deploy/Dockerfile", "a/Dockerfile"), SCRATCH
        ),
        {"dockerfilePath": "deploy/Dockerfile"},
    ),
    "pointers": Case(
        {
            "Dockerfile": SCRATCH,
            ".gitattributes": "*.png filter=lfs diff=lfs merge=lfs -text\n",
            "shot.png": POINTER,
            "README.md": "Sells things.\n![Shot](shot.png)\n",
        },
        {"description": "Sells things."},
    ),
}
"""What is read of each is what the contract says, though more could be guessed."""


def on_trunk(base: Path) -> Path:
    """Make a repository whose default branch is not called as usual; another is."""
    root = repository(base, {"Dockerfile": SCRATCH, "README.md": "Old.\n"}, "trunk")
    git(root, "checkout", "-q", "-b", "release/2.x")
    (root / "README.md").write_text("New.\n")
    git(root, "commit", "-q", "-a", "-m", "second")
    return root


def detached(base: Path) -> Path:
    """Make a repository whose HEAD is a commit, not a branch."""
    root = repository(base, {"Dockerfile": SCRATCH, "README.md": "Old.\n"}, "detached")
    git(root, "checkout", "-q", "--detach")
    (root / "README.md").write_text("New.\n")
    git(root, "commit", "-q", "-a", "-m", "second")
    return root


def with_submodule(base: Path) -> Path:
    """Make a repository whose only Dockerfile is another repository's."""
    other = repository(base, {"Dockerfile": SCRATCH}, "other")
    root = repository(base, {"README.md": "Shop.\n"}, "submodule")
    allowed = ("-c", "protocol.file.allow=always")
    git(root, *allowed, "submodule", "--quiet", "add", str(other), "other")
    git(root, "commit", "-q", "-m", "second")
    return root


def bare(base: Path) -> Path:
    """Make a repository without files; it is named without its ending."""
    files = {"Dockerfile": SCRATCH, "README.md": "New.\n"}
    origin = repository(base, files, "full")
    git(base, "clone", "--quiet", "--bare", str(origin), "bare.git")
    return base / "bare"


ODD_ORIGINS: dict[str, tuple[Callable[[Path], Path], Json]] = {
    "trunk": (on_trunk, {"description": "New."}),
    "detached": (detached, {"description": "New."}),
    "submodule": (with_submodule, NO_DOCKERFILE),
    "bare": (bare, {"description": "New."}),
}
"""How each is made, and what its record shows."""
