"""The temporary tables of a comparison: a table's expected rows, and those of them that differ.

Rows are copied into them. The tables vanish with their session.
"""

from collections.abc import Callable

import orjson

from domain.ports import Row
from projections.table import Table

NULL = r"\N"

_ESCAPES = str.maketrans({"\\": r"\\", "\n": r"\n", "\r": r"\r", "\t": r"\t"})


def create_sql(table: Table) -> str:
    """Return the statements that make the temporary tables.

    One is for the expected rows, one for those of them that differ. They lack the table's
    constraints, so that a row that violates them is reported and does not end the comparison.
    """
    columns = ", ".join([f"{name} {kind}" for name, kind in table.columns.items()])
    expected = expected_table(table)
    differing = differing_table(table)
    return f"""
        CREATE TEMPORARY TABLE {expected} ({columns});
        CREATE TEMPORARY TABLE {differing} ({columns}, PRIMARY KEY ({table.key}))
    """


def expected_table(table: Table) -> str:
    """Return the name of the temporary table of expected rows."""
    return f"expected_{table.name}"


def differing_table(table: Table) -> str:
    """Return the name of the temporary table of expected rows that differ from the actual ones.

    For an extra row, it has one with this key and version 0, and no other values.
    """
    return f"differing_{table.name}"


def copy_sql(table: Table, staging_table: str) -> str:
    """Return the statement that copies lines of `line_writer` into a staging table."""
    names = ", ".join(table.columns)
    return f"COPY {staging_table} ({names}) FROM STDIN"


def line_writer(table: Table) -> Callable[[Row], str]:
    """Return a function that returns a row as a line of COPY's text format."""
    nulls = [NULL] * len(table.columns)
    writers: dict[str, tuple[int, Callable[[object], str]]] = {}
    for number, (name, kind) in enumerate(table.columns.items()):
        writers[name] = (number, _WRITE_FIELD.get(kind, str))

    def write_line(row: Row) -> str:
        # For speed, empty columns cost nothing: most of fifty are empty in each of a million rows.
        fields = nulls.copy()
        for name, value in row.items():
            if value is not None:
                number, write = writers[name]
                fields[number] = write(value)
        return "\t".join(fields) + "\n"

    return write_line


def _write_json(value: object) -> str:
    # JSON text has no bare line breaks and tabs, so only backslashes are escaped.
    text = orjson.dumps(value).decode()
    return text.replace("\\", r"\\")


def _write_text(value: object) -> str:
    text = str(value)
    # Line breaks and tabs are not printable.
    if text.isprintable() and "\\" not in text:
        return text
    return text.translate(_ESCAPES)


_WRITE_FIELD: dict[str, Callable[[object], str]] = {"jsonb": _write_json, "text": _write_text}
"""Ids, times and numbers have nothing to escape."""
