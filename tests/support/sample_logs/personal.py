"""Personal data in tests: a job that takes it, a handler that notes it, a search of all tables."""

import json
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from apphub_jobs.contract import Handler, JobResult, JobRunContext

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "customerId": {"type": "string", "x-subject": "customerId"},
        "address": {"type": "object", "x-subject": "customerId"},
        "friend": {"type": ["string", "null"], "x-subject": "friend"},
        "day": {"type": "string"},
        "file": {"type": "string"},
    },
}

ALICE = "alice-7f3a9c"
STREET = "Elm Street 55-7f3a9c"
SECRETS = (ALICE, STREET)

ERASED = "[erased]"
"""What stands for erased values; handlers see nothing of the service, so it is said once more."""

GIVEN: dict[str, Any] = {
    "customerId": ALICE,
    "address": {"street": STREET, "no": [1, None]},
    "day": "monday",
}
GONE: dict[str, Any] = {"customerId": ERASED, "address": ERASED, "day": "monday"}


def note(context: JobRunContext) -> JobResult:
    """Write the parameters to the file that they name."""
    Path(str(context.parameters["file"])).write_text(json.dumps(context.parameters))
    return JobResult(result={"noted": True})


def quote(context: JobRunContext) -> JobResult:
    """Fail in the way that `day` names, in words that quote all that was given."""
    words = f"no letter for {context.parameters!r}"
    day = context.parameters["day"]
    match day:
        case "failed" | "expired" | "canceled":
            return JobResult(status=day, error_message=words)
        case "wrong":
            return JobResult(result={"count": words})
    try:
        _send(words)
    except LookupError as error:
        context.logger.exception("this letter cannot be sent: %s", words)
        raise RuntimeError(json.dumps(dict(context.parameters))) from error
    return JobResult()


def _send(words: str) -> None:
    raise LookupError(words)


HANDLERS: dict[str, Handler] = {"test.note": note, "test.quote": quote}

COLUMNS = """
    SELECT table_name, column_name, data_type FROM information_schema.columns
    JOIN information_schema.tables USING (table_schema, table_name)
    WHERE table_schema = 'public' AND table_type = 'BASE TABLE' ORDER BY 1, 2
"""


def places_of(url: str, *words: str) -> set[str]:
    """Return every column of every table in which one of the words stands, however it is stored."""
    matching = set()
    with psycopg.connect(url, autocommit=True) as connection:
        columns = connection.execute(COLUMNS).fetchall()
        assert len(columns) > 100
        for table, column, kind in columns:
            text = "encode({column}, 'escape')" if kind == "bytea" else "{column}::text"
            query = f"SELECT 1 FROM {{table}} WHERE {text} ILIKE ANY(%s) LIMIT 1"
            names = {"table": sql.Identifier(table), "column": sql.Identifier(column)}
            patterns = [f"%{word}%" for word in words]
            if connection.execute(sql.SQL(query).format(**names), (patterns,)).fetchone():
                matching.add(f"{table}.{column}")
    return matching
