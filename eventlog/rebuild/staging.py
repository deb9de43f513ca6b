"""The rows that a table must hold, laid beside those that it does hold.

They go by COPY into a temporary table: nothing of it is left once the session ends, in whatever way
that happens. PostgreSQL itself compares, so what counts is what it stores: times to the
microsecond, JSON by its text (1 is not 1.0, but the order of keys is nothing), and SQL's NULL is
not JSON's null.
"""

from collections.abc import Callable

import orjson

from domain.ports import Row
from projections.table import Table

NULL = r"\N"

_ESCAPES = str.maketrans({"\\": r"\\", "\n": r"\n", "\r": r"\r", "\t": r"\t"})


def create_sql(table: Table) -> str:
    """Return the statements that make the temporary tables.

    One is for the expected rows, one for those of them that differ. They are without the
    constraints of the real table: what it would refuse is to be reported, not to end the
    comparison.
    """
    typed = [f"{name} {kind}" for name, kind in table.columns.items()]
    columns = ", ".join(typed)
    wanted = expected(table)
    other = differing(table)
    return f"""
        CREATE TEMPORARY TABLE {wanted} ({columns});
        CREATE TEMPORARY TABLE {other} ({columns}, PRIMARY KEY ({table.key}))
    """


def expected(table: Table) -> str:
    """Return the name of the temporary table of the rows that the table must hold."""
    return f"expected_{table.name}"


def differing(table: Table) -> str:
    """Return the name of the temporary table of those that it does not hold like this.

    A row that it holds and must not is there, too: with its key, version 0 and nothing else.
    """
    return f"differing_{table.name}"


def copy_sql(table: Table, staged: str) -> str:
    """Return the statement that takes lines of `copy_line` into one of the two."""
    names = ", ".join(table.columns)
    return f"COPY {staged} ({names}) FROM STDIN"


def copy_line(table: Table) -> Callable[[Row], str]:
    """Return the function that writes a row as a line of COPY's text format."""
    writers: list[tuple[str, Callable[[object], str]]] = []
    for name, kind in table.columns.items():
        write = _WRITE_FIELD.get(kind, str)
        writers.append((name, write))

    def line(row: Row) -> str:
        # One step, for there are fifty columns, most of them empty, a million times.
        fields = [
            NULL if (value := row[name]) is None else write(value)
            for name, write in writers
        ]
        return "\t".join(fields) + "\n"

    return line


def _write_json(value: object) -> str:
    # JSON has no bare line breaks and tabs, so the backslash is all there is to escape.
    text = orjson.dumps(value).decode()
    return text.replace("\\", r"\\")


def _write_text(value: object) -> str:
    text = str(value)
    # Line breaks and tabs are not printable.
    if text.isprintable() and "\\" not in text:
        return text
    return text.translate(_ESCAPES)


_WRITE_FIELD: dict[str, Callable[[object], str]] = {
    "jsonb": _write_json,
    "text": _write_text,
}
"""Ids, times and numbers have nothing to escape."""


def note_differing_sql(table: Table) -> str:
    """Return the statement that adds to `differing` what differs in a range."""
    key = table.key
    values = {name: f"wanted.{name}" for name in table.columns}
    values[key] = f"coalesce(wanted.{key}, held.{key})"
    values["aggregate_version"] = "coalesce(wanted.aggregate_version, 0)"
    names = ", ".join(values)
    row = ", ".join(values.values())
    return f"""
        INSERT INTO {differing(table)} ({names})
        SELECT {row} {_mismatch(table)}
    """


def differences_sql(table: Table) -> str:
    """Return the query for what differs in a range of keys, from `first` to before `next`.

    Its columns are `key`, `missing`, `extra`, and `wanted` and `held`: all columns as text.
    """
    wanted = ", ".join([f"wanted.{name}::text" for name in table.columns])
    held = ", ".join([f"held.{name}::text" for name in table.columns])
    key = table.key
    return f"""
        SELECT coalesce(wanted.{key}, held.{key}) AS key,
            held.{key} IS NULL AS missing,
            wanted.{key} IS NULL AS extra,
            ARRAY[{wanted}] AS wanted, ARRAY[{held}] AS held
        {_mismatch(table)} ORDER BY 1
    """


def _mismatch(table: Table) -> str:
    """Return from where and by what condition rows differ.

    Whole rows are compared by their bytes first: nearly all are the same, and to write all their
    JSON as text takes long.
    """
    all_wanted: list[str] = []
    all_held: list[str] = []
    all_unequal: list[str] = []
    for name, kind in table.columns.items():
        all_wanted.append(f"wanted.{name}")
        column = f"held.{name}::{kind}"
        all_held.append(column)
        all_unequal.append(_unequal(name, kind))
    wanted = ", ".join(all_wanted)
    held = ", ".join(all_held)
    differs = " OR ".join(all_unequal)
    key = table.key
    return f"""
        FROM {expected(table)} AS wanted
        FULL JOIN (
            SELECT * FROM {table.name}
            WHERE {key} >= %(first)s::uuid AND (%(next)s::uuid IS NULL OR {key} < %(next)s::uuid)
        ) AS held ON wanted.{key} = held.{key}
        WHERE ROW({wanted})::record *<> ROW({held})::record AND ({differs})
    """


def _unequal(name: str, kind: str) -> str:
    wanted = f"wanted.{name}"
    held = f"held.{name}"
    if kind == "jsonb":
        wanted += "::text"
        held += "::text"
    return f"{wanted} IS DISTINCT FROM {held}"
