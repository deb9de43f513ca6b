"""Repositories, and the records that ingestion makes of them (contract, section 9)."""

import base64
import json
from dataclasses import dataclass, field
from typing import Any

from tests.support.git.repositories import Files

Json = dict[str, Any]

PNG = b"\x89PNG\r\n\x1a\n" + b"0" * 16

INLINED = f"data:image/png;base64,{base64.b64encode(PNG).decode()}"

SCRATCH = "FROM scratch\n"

BOMB = "a: &a [x, x]\n" + "".join(
    f"{b}: &{b} [*{a}, *{a}]\n" for a, b in zip("abcdefgh", "bcdefghi", strict=True)
)


def tile(order: int, source: str = "previews-manifest", **fields: Any) -> Json:
    empty = dict.fromkeys(
        ("title", "description", "src", "embedUrl", "posterUrl", "width", "height")
    )
    return {
        **empty,
        "id": order,
        "kind": "image",
        **fields,
        "sortOrder": order,
        "source": f"ingestion:{source}",
    }


@dataclass(frozen=True)
class Case:
    """A repository's files and links, what is registered, and what the record shows beyond that."""

    files: Files
    shows: Json
    links: dict[bytes, bytes] = field(default_factory=dict)
    app: Json = field(default_factory=dict)


OTHER_FRAMEWORKS = ("astro", "remix", "nuxt", "vue", "svelte", "sveltekit")


def package(**fields: Any) -> str:
    """Return a package.json with these fields."""
    return json.dumps(fields)


CASES: dict[str, Case] = {
    "node": Case(
        {
            "Dockerfile": "FROM node:20.11-alpine\n",
            "package.json": package(
                name="@shop/front",
                dependencies={"next": "14", "react": "18"},
                devDependencies={"typescript": "5"},
                engines={"node": ">=20.1"},
            ),
        },
        {
            "name": "@shop/front",
            "tags": [
                "framework:nextjs",
                "library:react",
                "language:typescript",
                "runtime:node20",
                "runtime:node2011",
                "language:javascript",
            ],
        },
    ),
    "other-frameworks": Case(
        {
            "Dockerfile": SCRATCH,
            "tsconfig.json": "{}",
            "package.json": package(dependencies=dict.fromkeys(OTHER_FRAMEWORKS, "1")),
        },
        {
            "tags": [
                "framework:astro",
                "framework:remix",
                "framework:vue",
                "framework:svelte",
                "language:typescript",
            ]
        },
    ),
    "python": Case(
        {"Dockerfile": "FROM python:3.12-slim\nCMD uvicorn app:app\n# streamlit as well\n"},
        {
            "tags": [
                "language:python",
                "runtime:python312",
                "framework:streamlit",
                "framework:fastapi",
            ]
        },
    ),
    "tags-map": Case(
        {
            "Dockerfile": SCRATCH,
            "tags.yaml": "team: web\nlang:\n  - de\n  - en\ntier:\n  value: 1\n",
            "tags.json": "[]",
        },
        {"tags": ["team:web", "lang:de", "lang:en", "tier:1"]},
    ),
    "tags-list": Case(
        {
            "Dockerfile": SCRATCH,
            "tags.json": '["team: web", {"key": "tier", "value": "1"}, 5, "nothing"]',
        },
        {"tags": ["team:web", "tier:1"]},
    ),
    "first-spelling-wins": Case(
        {"Dockerfile": "FROM nginx:1.27\n", "tags.yml": "TEAM: WEB\nruntime: NGINX\n"},
        {"tags": ["Team:Web", "runtime:NGINX"]},
        app={"tags": [{"key": "Team", "value": "Web"}]},
    ),
    "own-dockerfile": Case(
        {"Dockerfile": "FROM python:3\n", "deploy/prod.docker": "FROM nginx\n"},
        {"dockerfilePath": "deploy/prod.docker", "tags": ["runtime:nginx"]},
        app={"dockerfilePath": "deploy/prod.docker"},
    ),
    "usual-dockerfile": Case(
        {"Containerfile": SCRATCH, "ops/Dockerfile": SCRATCH, "a/Dockerfile": SCRATCH},
        {"dockerfilePath": "ops/Dockerfile"},
    ),
    "searched-dockerfile": Case(
        {
            "node_modules/x/Dockerfile": SCRATCH,
            "b/c/Dockerfile": SCRATCH,
            "b/x.dockerfile": SCRATCH,
            "z/Dockerfile.a": "x",
        },
        {"dockerfilePath": "b/x.dockerfile"},
    ),
    "readme": Case(
        {
            "Dockerfile": SCRATCH,
            "docs/shot.png": PNG,
            "README.md": "# Shop\n\nSub\n---\n\nSells *things*.\n\n![Shot](docs/shot.png)\n<img src='https://x.org/a.gif'>\n",
        },
        {
            "description": "Sells *things*.",
            "previewTiles": [
                tile(0, "readme", title="Shot", src=INLINED),
                tile(1, "readme", kind="gif", src="https://x.org/a.gif"),
            ],
        },
    ),
    "previews": Case(
        {
            "Dockerfile": SCRATCH,
            ".apphub/previews.yaml": (
                "tiles:\n- {kind: image, src: shot.png, title: Shot, width: 640}\n"
                "- {kind: gif, src: https://x.org/a.gif}\n"
                "- {kind: video, src: https://x.org/a.mp4, posterUrl: shot.png}\n"
                "- {kind: storybook, storybookUrl: https://x.org/book, storyId: a--b}\n"
                "- {kind: embed, embedUrl: https://x.org/e}\n"
                "- {kind: image, src: ../../../etc/passwd}\n"
                "- {kind: embed, embedUrl: 'javascript:alert(1)'}\n"
            ),
            ".apphub/shot.png": PNG,
            "previews.json": '["https://x.org/never.png"]',
        },
        {
            "previewTiles": [
                tile(0, title="Shot", src=INLINED, width=640),
                tile(1, kind="gif", src="https://x.org/a.gif"),
                tile(2, kind="video", src="https://x.org/a.mp4", posterUrl=INLINED),
                tile(
                    3,
                    kind="storybook",
                    embedUrl="https://x.org/book/iframe.html?id=a--b&viewMode=story",
                ),
                tile(4, kind="embed", embedUrl="https://x.org/e"),
            ]
        },
    ),
    "no-dockerfile": Case(
        {"README.md": "Nothing to run.\n"},
        {"ingestStatus": "failed", "ingestError": "Dockerfile not found, unable to launch app"},
    ),
    "links-out": Case(
        {"x/Dockerfile": SCRATCH},
        {"dockerfilePath": "x/Dockerfile"},
        links={
            b"README.md": b"/etc/passwd",
            b"Dockerfile": b"/etc/passwd",
            b"tags.yaml": b"../../../../etc/passwd",
        },
    ),
    "broken": Case(
        {
            "Dockerfile": SCRATCH,
            "package.json": "{",
            "tags.yaml": "a: [",
            "previews.json": "[" * 5_000,
            "README.md": b"\xf0\xff\n",
        },
        {"description": "��"},
    ),
    "bomb": Case(
        {"Dockerfile": SCRATCH, "tags.yaml": BOMB, "previews.yaml": BOMB}, {"tags": ["a:x"]}
    ),
    "huge-files": Case(
        {
            "Dockerfile": SCRATCH,
            "README.md": "x" * 3_000_000,
            "package.json": '{"name": "' + "x" * 2_000_000 + '"}',
        },
        {},
    ),
    "deep": Case({"Dockerfile": SCRATCH, "/".join("d" * 100) + "/Dockerfile": SCRATCH}, {}),
    "odd-names": Case(
        {"README.md": "Odd.\n"},
        {"ingestStatus": "failed", "ingestError": "Dockerfile not found, unable to launch app"},
        links={b"caf\xe9": b"x", b"a\nb": b"x"},
    ),
}
