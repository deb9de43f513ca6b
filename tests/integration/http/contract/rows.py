"""Rows of the table: a request, and the status and body that answer it.

A file of them is JSON Lines, asked in order of one service. `keep` names parts of an answer that
later paths and bodies mention as `{name}`. What differs from one run to the next is put in a plain
form first: ids by their order of appearance, so that which are the same is compared, too.
"""

import json
import re
from pathlib import Path
from typing import Any

import httpx

DATA = Path(__file__).parent / "data"

FILES = tuple(sorted(file.name for file in DATA.glob("*.jsonl")))

Json = Any
Row = dict[str, Any]

_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
_POSITIONS = {"position", "next", "nextCursor"}


class Asker:
    """Asks the rows of one file, one after the other."""

    def __init__(self, client: httpx.Client) -> None:
        self._client = client
        self._kept: dict[str, str] = {}
        self._ids: dict[str, str] = {}

    def ask(self, row: Row) -> tuple[int, Json]:
        """Return the status and the plain body of the answer."""
        method, _, path = self._filled(row["ask"]).partition(" ")
        headers = dict(row.get("headers", {}))
        content = row.get("raw")
        if "body" in row:
            content = self._filled(json.dumps(row["body"]))
        if content is not None:
            headers.setdefault("Content-Type", "application/json")
        answer = self._client.request(method, path, content=content, headers=headers)
        body = _body(answer)
        for name, pointer in row.get("keep", {}).items():
            self._kept[name] = str(_part(body, pointer))
        return answer.status_code, self._plain(body)

    def _filled(self, text: str) -> str:
        for name, value in self._kept.items():
            text = text.replace(f"{{{name}}}", value)
        return text

    def _plain(self, value: Json, field: str = "") -> Json:
        if isinstance(value, dict):
            return {name: self._plain(part, name) for name, part in value.items()}
        if isinstance(value, list):
            return [self._plain(part, field) for part in value]
        if isinstance(value, str):
            value = _ID.sub(lambda match: self._id(match[0]), value)
            value = _TIME.sub("<time>", value)
        is_number = isinstance(value, int) and not isinstance(value, bool)
        if value is not None and field in _POSITIONS:
            return "<position>"
        if is_number and field == "id" and value > 0:  # Tiles are numbered from 0.
            return "<position>"
        return value

    def _id(self, text: str) -> str:
        return self._ids.setdefault(text, f"<id {len(self._ids) + 1}>")


def read(name: str) -> list[Row]:
    """Return the rows of a file."""
    return [json.loads(line) for line in (DATA / name).read_text().splitlines()]


def write(name: str, rows: list[Row]) -> None:
    """Write the rows of a file, one a line."""
    lines = [json.dumps(row, ensure_ascii=False) for row in rows]
    (DATA / name).write_text("\n".join(lines) + "\n")


def _body(answer: httpx.Response) -> Json:
    if answer.headers.get("content-type", "").startswith("application/json"):
        return answer.json()
    return answer.text


def _part(body: Json, path: str) -> Json:
    for step in path.split("."):
        body = body[int(step) if step.isdigit() else step]
    return body
