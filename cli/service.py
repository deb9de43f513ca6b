"""Which service a command calls, what people type for it, and how its errors are reported.

First JSON and YAML files; then parameters and filters as people type them (`name=Ada times=3`,
`status!=failed`); then the connection to a service (`ServiceOptions`, `connected`).
"""

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any

import typer
import yaml

from api.data_directory import directory_of
from apphub_jobs.client import AccessError, ApiError, Client, ClientError, NotFoundError
from cli.options import DataDir
from cli.process.announcement import services
from domain.errors import InvalidInputError
from domain.filters import conditions_of, read
from domain.json_values import InvalidJsonError, Json, JsonObject, normalise

# JSON as people write it in files: as it is, or as YAML, whose dates stay texts.

_TIMESTAMP = "tag:yaml.org,2002:timestamp"


class _Loader(yaml.SafeLoader):
    """Makes of `2026-11-25` the text that JSON would have."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != _TIMESTAMP]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def documents_in(text: str) -> list[Json]:
    """Return the documents of a text in YAML or JSON.

    Raises:
        ValueError: it is neither, or holds what JSON cannot; the message says where.
    """
    try:
        found = list(yaml.load_all(text, Loader=_Loader))
    except yaml.YAMLError as error:
        msg = f"it is neither YAML nor JSON: {error}"
        raise ValueError(msg) from None
    try:
        return [normalise(document) for document in found]
    except InvalidJsonError as error:
        where = error.pointer or "/"
        msg = f"at {where} stands what JSON cannot hold: {error.message}"
        raise ValueError(msg) from None


# Parameters are converted to the types that the job's schema names.

STDIN = "-"

TYPES: Mapping[type, str] = {
    str: "string",
    bool: "boolean",
    int: "integer",
    float: "number",
    list: "array",
    dict: "object",
    type(None): "null",
}
"""What JSON Schema calls values."""


def given_parameters(
    words: Sequence[str], file: str | None, schema: Mapping[str, Any]
) -> JsonObject:
    """Return the parameters of a launch: the file's, with the words' instead of or beside them.

    Raises:
        typer.BadParameter: a word is no `key=value`, or the file holds no object.
    """
    parameters = _in_file(file) if file else {}
    for word in words:
        name, equals, text = word.partition("=")
        if not equals or not name:
            msg = f"{word!r} is no parameter: write NAME=VALUE, such as name=Ada or ids='[1, 2]'"
            raise typer.BadParameter(msg)
        value = value_of(text, name, schema)
        _require_json(word, {name: value})
        parameters[name] = value
    return parameters


def _require_json(word: str, meant: JsonObject) -> None:
    try:
        json.dumps(meant, ensure_ascii=False, allow_nan=False).encode()
    except UnicodeEncodeError:
        # Bytes that are no UTF-8 come as halves of characters.
        msg = f"{word!r} is not UTF-8, which is what JSON can hold"
        raise typer.BadParameter(msg) from None
    except ValueError:
        msg = f"{word!r}: JSON has no NaN, and no number that large"
        raise typer.BadParameter(msg) from None


def given_conditions(texts: Sequence[str]) -> list[str]:
    """Return the conditions of a filter of runs, after a look at whether they are any.

    Raises:
        typer.BadParameter: one is none.
    """
    try:
        conditions_of(read(texts, ""))
    except InvalidInputError as error:
        told: list[str] = []
        for issue in error.issues:
            place = issue.path[1:]
            told.append(f"{place}: {issue.message}")
        raise typer.BadParameter("; ".join(told)) from None
    return [*texts]


def value_of(text: str, name: str, schema: Mapping[str, Any]) -> Json:
    """Return a parameter as JSON, or as the text that it is.

    Where the schema wants a text and no such JSON, however much it looks like a number, it is one.
    """
    try:
        value: Json = json.loads(text)
    except (ValueError, RecursionError):
        return text
    wanted = set(_types(_member(schema.get("properties"), name), schema))
    is_wanted = TYPES[type(value)] in wanted
    is_whole_number = isinstance(value, int) and "number" in wanted
    if "string" in wanted and not (is_wanted or is_whole_number):
        return text
    return value


def _in_file(name: str) -> JsonObject:
    try:
        text = sys.stdin.read() if name == STDIN else Path(name).read_text("utf-8")
        [found] = documents_in(text) or [None]
    except (OSError, ValueError) as error:
        msg = f"--params {name} cannot be read: {error}"
        raise typer.BadParameter(msg) from None
    if not isinstance(found, dict):
        msg = f'--params {name} must hold an object in JSON or YAML, such as {{"name": "Ada"}}'
        raise typer.BadParameter(msg)
    return found


def _types(field: object, schema: Mapping[str, Any]) -> Iterator[str]:
    """Yield the types that a field may have, by itself, its alternatives, or what it refers to."""
    if not isinstance(field, Mapping):
        return
    yield from _own_types(field)
    any_of = field.get("anyOf", ())
    one_of = field.get("oneOf", ())
    for alternative in (*any_of, *one_of):
        yield from _types(alternative, schema)
    # Of a definition only its own: it may refer to itself.
    reference = str(field.get("$ref", ""))
    name = reference.removeprefix("#/$defs/")
    definition = _member(schema.get("$defs"), name)
    yield from _own_types(definition)


def _own_types(field: Mapping[str, Any]) -> list[str]:
    found = field.get("type", [])
    if isinstance(found, str):
        return [found]
    return [str(name) for name in found]


def _member(of: object, name: str) -> Mapping[str, Any]:
    found = of.get(name) if isinstance(of, Mapping) else None
    return found if isinstance(found, Mapping) else {}


ERROR, USAGE, NO_ACCESS = 1, 2, 4

SHOWN_BEFORE = 40
"""So many characters are shown before the one that is wrong."""

RETRY_S = 3.0
"""How long a command goes on where nobody answers: who types it would rather know soon."""

REMEDIES = {
    "job_not_found": "to see all jobs: apphub-jobs jobs list",
    "run_not_found": "to see the newest runs: apphub-jobs runs list",
    "attempt_not_found": "to see its attempts: apphub-jobs runs show RUN",
    "app_not_found": "to see all apps: apphub-jobs apps list",
    "schedule_not_found": "to see all schedules: apphub-jobs schedules list",
    "schedule_exists": "to change it: apphub-jobs schedules apply FILE",
    "bulk_not_found": "to see all bulk operations: apphub-jobs bulk list",
    "worker_not_found": "to see all workers: apphub-jobs workers list",
    "worker_lost": "to see who lives: apphub-jobs workers list",
    "app_exists": "choose another --id, or see it: apphub-jobs apps show APP",
    "run_already_ended": "to run it again: apphub-jobs runs retry RUN",
    "run_not_ended": "to stop it first: apphub-jobs runs cancel RUN",
    "run_is_there": "to see it: apphub-jobs runs show RUN",
    "runs_are_unique": "to launch one: apphub-jobs schedules trigger SCHEDULE",
    "not_apphub_jobs": "check --url and APPHUB_URL",
}
"""By the service's codes, what to do next."""


@dataclass(frozen=True)
class ServiceOptions:
    """Where the service is, and who asks."""

    url: Annotated[
        str | None,
        typer.Option(
            envvar="APPHUB_URL",
            help="The service's address; else the one that runs in the data directory.",
        ),
    ] = None
    token: Annotated[
        str | None,
        typer.Option(envvar="APPHUB_TOKEN", help="Who asks, where the service wants to know."),
    ] = None
    data_dir: DataDir = None


@contextmanager
def connected(to: ServiceOptions, retry_s: float = RETRY_S) -> Iterator[Client]:
    """Give a client of the service; what it refuses ends the command with a clear message."""
    url = to.url or _running(to)
    try:
        with Client(url, to.token, retry_for=retry_s) as client:
            yield client
    except AccessError as error:
        raise _ended(f"{error}; give --token or APPHUB_TOKEN", NO_ACCESS) from None
    except ApiError as error:
        raise _ended(_with_remedy(error), ERROR) from None
    except UnicodeEncodeError as error:
        begin = max(0, error.start - SHOWN_BEFORE)
        shown = error.object[begin : error.end]
        raise _ended(f"{shown!r} is not UTF-8", USAGE) from None
    except (ClientError, ValueError) as error:
        raise _ended(f"{error}", ERROR) from None


@contextmanager
def job_named(client: Client, slug: str) -> Iterator[None]:
    """Name the job that is not there, and the one whose name is nearest."""
    try:
        yield
    except NotFoundError as error:
        if error.code != "job_not_found":
            raise
        slugs = [job.slug for job in client.jobs()]
        nearest = get_close_matches(slug, slugs, 1)
        meant = f"; did you mean {nearest[0]}?" if nearest else ""
        message = f"{error}: {slug}{meant}; {REMEDIES[error.code]}"
        raise _ended(message, ERROR) from None


COMPLETION_S = 2.0
"""How long a shell may be kept waiting for names."""


def slugs_completed(context: typer.Context, incomplete: str) -> list[str]:
    """Return the slugs that begin so, where the service that the options name answers."""
    given = context.params
    to = ServiceOptions(given.get("url"), given.get("token"), given.get("data_dir"))
    address = to.url or next(iter(services(directory_of(to.data_dir))), None)
    if address is None:
        return []
    try:
        with Client(address, to.token, timeout=COMPLETION_S, retry_for=0) as client:
            slugs = [job.slug for job in client.jobs()]
    except (ClientError, ValueError):
        return []
    return [slug for slug in slugs if slug.startswith(incomplete)]


Slug = Annotated[str, typer.Argument(help="Which job.", autocompletion=slugs_completed)]


def another(client: Client, to: ServiceOptions) -> Client:
    """Return one more client of the same service, for another thread."""
    return Client(client.url, to.token)


def _with_remedy(error: ApiError) -> str:
    """Return the service's own words, and which command helps."""
    remedy = REMEDIES.get(error.code)
    if remedy is None:
        return str(error)
    return f"{error}; {remedy}"


def _running(to: ServiceOptions) -> str:
    """Return the address of the service that runs in the data directory."""
    directory = directory_of(to.data_dir)
    found = services(directory)
    if not found:
        raise _ended(
            f"no service runs in the data directory {directory}:"
            " start one with `apphub-jobs up`, or give --url or APPHUB_URL",
            ERROR,
        )
    return found[0]


def _ended(message: str, code: int) -> typer.Exit:
    typer.echo(f"apphub-jobs: {message}", err=True)
    return typer.Exit(code)
