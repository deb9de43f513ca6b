"""How a command calls a service: typed parameters, the connection, and errors with remedies.

First JSON and YAML files; then parameters and filters as people type them (`name=Ada times=3`,
`status!=failed`); then the connection to a service (`ServiceOptions`, `connected`).
"""

import json
import sys
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any

import typer
import yaml
from yaml.constructor import ConstructorError

from api.data_directory import resolve_data_dir
from apphub_jobs.client import AccessError, ApiError, Client, ClientError, NotFoundError
from cli.options import DataDir, ServiceUrl, Token
from cli.process.announcement import services
from cli.terminal import print_note
from domain.errors import InvalidInputError
from domain.filters import conditions_of, read
from domain.json_values import InvalidJsonError, Json, JsonObject, decode, normalise
from runtime.files import UnusableDirectoryError

_TIMESTAMP = "tag:yaml.org,2002:timestamp"


class _Loader(yaml.SafeLoader):
    """Reads YAML as the API reads JSON: `2026-11-25` stays a string, and no key stands twice."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:  # noqa: FBT001, FBT002 - the library's signature
        """Return an object; PyYAML would take the last of several values."""
        names: set[str] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value in names:
                problem = f"the key {key.value!r} stands twice in one object"
                raise ConstructorError(None, None, problem, key.start_mark)
            names.add(str(key.value))
        return super().construct_mapping(node, deep)


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
        documents = list(yaml.load_all(text, Loader=_Loader))
    except yaml.YAMLError as error:
        msg = f"it is neither YAML nor JSON: {error}"
        raise ValueError(msg) from None
    except RecursionError:
        raise ValueError("it is nested too deep") from None
    try:
        return [normalise(document) for document in documents]
    except InvalidJsonError as error:
        msg = f"at {error.pointer or '/'} stands what JSON cannot hold: {error.message}"
        raise ValueError(msg) from None


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
"""JSON Schema's names of types."""


def parse_parameters(
    words: Sequence[str], file: str | None, schema: Mapping[str, Any]
) -> JsonObject:
    """Return the parameters of a launch: those of a file, overridden by words of NAME=VALUE.

    Args:
        words: each a parameter; its value is converted to the type in the schema.
        file: JSON or YAML; `-` for standard input; None for no file.
        schema: the job's schema of parameters.

    Raises:
        typer.BadParameter: a word is not NAME=VALUE, a name stands twice, or the file holds no
            object.
    """
    parameters = _in_file(file) if file else {}
    names: set[str] = set()
    for word in words:
        name, equals, text = word.partition("=")
        if not equals or not name:
            msg = f"{word!r} is no parameter: write NAME=VALUE, such as name=Ada or ids='[1, 2]'"
            raise typer.BadParameter(msg)
        if name in names:
            raise typer.BadParameter(f"{name} stands twice; write {name}='[…]' for several values")
        names.add(name)
        value = value_of(text, name, schema)
        _require_json(word, {name: value})
        parameters[name] = value
    return parameters


def _require_json(word: str, parameter: JsonObject) -> None:
    try:
        json.dumps(parameter, ensure_ascii=False, allow_nan=False).encode()
    except UnicodeEncodeError:
        # Bytes that are not UTF-8 arrive as surrogates.
        msg = f"{word!r} is not UTF-8, which is what JSON can hold"
        raise typer.BadParameter(msg) from None
    except ValueError:
        msg = f"{word!r}: JSON has no number that large"
        raise typer.BadParameter(msg) from None


def check_conditions(texts: Sequence[str]) -> list[str]:
    """Check the conditions of a filter of runs, and return them.

    Raises:
        typer.BadParameter: a condition is invalid.
    """
    try:
        conditions_of(read(texts, ""))
    except InvalidInputError as error:
        problems = (f"{issue.path[1:]}: {issue.message}" for issue in error.issues)
        raise typer.BadParameter("; ".join(problems)) from None
    return [*texts]


def value_of(text: str, name: str, schema: Mapping[str, Any]) -> Json:
    """Return a parameter's value: as JSON if the text is JSON, else as a string.

    If the schema takes a string and not the type of the JSON, such as a number, it is a string.

    Raises:
        typer.BadParameter: a key stands twice in an object, or it is NaN or Infinity.
    """
    types = set(_types(_member(schema.get("properties"), name), schema))
    try:
        value = decode(text)
    except InvalidJsonError as error:
        if "string" in types and types.isdisjoint({"object", "array", "number"}):
            return text
        raise typer.BadParameter(f"{name}: {error.message}") from None
    except (ValueError, RecursionError):
        return text
    is_valid = TYPES[type(value)] in types
    is_valid_integer = isinstance(value, int) and "number" in types
    if "string" in types and not (is_valid or is_valid_integer):
        return text
    return value


def _in_file(name: str) -> JsonObject:
    try:
        text = sys.stdin.read() if name == STDIN else Path(name).read_text("utf-8")
        [parameters] = documents_in(text) or [None]
    except (OSError, ValueError) as error:
        msg = f"--params {name} cannot be read: {error}"
        raise typer.BadParameter(msg) from None
    if not isinstance(parameters, dict):
        msg = f'--params {name} must hold an object in JSON or YAML, such as {{"name": "Ada"}}'
        raise typer.BadParameter(msg)
    return parameters


def _types(field: object, schema: Mapping[str, Any]) -> Iterator[str]:
    """Yield the types that a field may have: its own, its alternatives', and its reference's."""
    if not isinstance(field, Mapping):
        return
    yield from _own_types(field)
    for alternative in (*field.get("anyOf", ()), *field.get("oneOf", ())):
        yield from _types(alternative, schema)
    # Only the definition's own types: it may refer to itself.
    name = str(field.get("$ref", "")).removeprefix("#/$defs/")
    yield from _own_types(_member(schema.get("$defs"), name))


def _own_types(field: Mapping[str, Any]) -> list[str]:
    types = field.get("type", [])
    return [types] if isinstance(types, str) else [str(name) for name in types]


def _member(mapping: object, name: str) -> Mapping[str, Any]:
    member = mapping.get(name) if isinstance(mapping, Mapping) else None
    return member if isinstance(member, Mapping) else {}


ERROR, USAGE, NO_ACCESS = 1, 2, 4

CONTEXT_CHARACTERS = 40
"""Characters that a message shows before the invalid one."""

RETRY_S = 3.0
"""How long a command retries if no service answers."""

REMEDIES = {
    "job_not_found": "to see all jobs: apphub-jobs jobs list",
    "run_not_found": "to see the newest runs: apphub-jobs runs list",
    "attempt_not_found": "to see its attempts: apphub-jobs runs show RUN",
    "app_not_found": "to see all apps: apphub-jobs apps list",
    "schedule_not_found": "to see all schedules: apphub-jobs schedules list",
    "schedule_exists": "to change it: apphub-jobs schedules apply FILE",
    "bulk_not_found": "to see all bulk operations: apphub-jobs bulk list",
    "worker_not_found": "to see all workers: apphub-jobs workers list",
    "worker_lost": "to see all workers: apphub-jobs workers list",
    "view_not_found": "to see all saved views: apphub-jobs views list",
    "too_many_views": "to delete one: apphub-jobs views delete NAME",
    "app_exists": "choose another --id, or see it: apphub-jobs apps show APP",
    "run_already_ended": "to run it again: apphub-jobs runs retry RUN",
    "run_not_ended": "to stop it first: apphub-jobs runs cancel RUN",
    "run_is_there": "to see it: apphub-jobs runs show RUN",
    "runs_are_unique": "to launch one: apphub-jobs schedules trigger SCHEDULE",
    "not_apphub_jobs": "check --url and APPHUB_URL",
}
"""What to do next, by the service's error codes."""


@dataclass(frozen=True)
class ServiceOptions:
    """Where the service is, and the token."""

    url: ServiceUrl = None
    token: Token = None
    data_dir: DataDir = None

    @property
    def address(self) -> str | None:
        """The address of the service, given or running in the data directory; None without one."""
        return self.url or next(iter(services(resolve_data_dir(self.data_dir))), None)


@contextmanager
def connected(to: ServiceOptions, retry_s: float = RETRY_S) -> Iterator[Client]:
    """Open a client of the service; its errors end the command with a message and a remedy.

    Raises:
        typer.Exit: 1 for an error of the service, 2 for an option, 4 for a missing right.
    """
    address = to.address
    if address is None:
        raise exit_with(
            f"no service runs in the data directory {resolve_data_dir(to.data_dir)}:"
            " start one with `apphub-jobs up`, or give --url or APPHUB_URL",
            ERROR,
        )
    try:
        with Client(address, to.token, retry_for=retry_s) as client:
            yield client
    except AccessError as error:
        raise exit_with(f"{error}; give --token or APPHUB_TOKEN", NO_ACCESS) from None
    except ApiError as error:
        remedy = REMEDIES.get(error.code)
        if error.code == "internal_error":
            remedy = f"it names the request {error.request_id}"
        raise exit_with(f"{error}; {remedy}" if remedy else str(error), ERROR) from None
    except UnicodeEncodeError as error:
        begin = max(0, error.start - CONTEXT_CHARACTERS)
        raise exit_with(f"{error.object[begin : error.end]!r} is not UTF-8", USAGE) from None
    except (ClientError, ValueError) as error:
        raise exit_with(f"{error}", ERROR) from None


@contextmanager
def suggest_job(client: Client, slug: str) -> Iterator[None]:
    """End the command if the job does not exist, with the slug that is most similar."""
    try:
        yield
    except NotFoundError as error:
        if error.code != "job_not_found":
            raise
        slugs = [job.slug for job in client.jobs()]
        similar = get_close_matches(slug, slugs, 1)
        suggestion = f"; did you mean {similar[0]}?" if similar else ""
        message = f"{error}: {slug}{suggestion}; {REMEDIES[error.code]}"
        raise exit_with(message, ERROR) from None


COMPLETION_S = 2.0
"""How long a shell waits for names."""


def complete_slug(context: typer.Context, incomplete: str) -> list[str]:
    """Return the slugs that begin with a text; none if the service does not answer."""
    return complete(context, incomplete, lambda client: [job.slug for job in client.jobs()])


def complete(
    context: typer.Context, incomplete: str, names_of: Callable[[Client], Sequence[str]]
) -> list[str]:
    """Return those of the service's names that begin with a text; none if it does not answer."""
    options = context.params
    to = ServiceOptions(options.get("url"), options.get("token"), options.get("data_dir"))
    try:
        address = to.address
        if address is None:
            return []
        with Client(address, to.token, timeout=COMPLETION_S, retry_for=0) as client:
            names = names_of(client)
    except (ClientError, UnusableDirectoryError, ValueError):
        return []
    return [name for name in names if name.startswith(incomplete)]


Slug = Annotated[str, typer.Argument(help="Which job.", autocompletion=complete_slug)]


def second_client(client: Client, to: ServiceOptions) -> Client:
    """Return another client of the same service, for another thread."""
    return Client(client.url, to.token)


def exit_with(message: str, code: int) -> typer.Exit:
    """Print an error, and return the exit to raise."""
    print_note(f"apphub-jobs: {message}")
    return typer.Exit(code)
