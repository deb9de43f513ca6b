"""Definitions of jobs where people keep them: in YAML or JSON files, and under `@job` in Python."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeGuard

from api.bootstrap.handler_packages import handler_source
from api.cli.daily.json_in_yaml import documents_in
from domain.json_values import Json, JsonObject
from worker.executors.local.probe import offers
from worker.executors.packages import packages_of

SUFFIXES = (".yaml", ".yml", ".json")

Definition = Mapping[str, Any]


def definitions_in(given: Sequence[str]) -> list[Definition]:
    """Return the definitions that files and modules hold, in order.

    Raises:
        ValueError: one of them cannot be read, or two define the same job.
        OSError: a file cannot be read.
    """
    modules = [name for name in given if not name.endswith(SUFFIXES)]
    found: list[Definition] = []
    for name in given:
        if name.endswith(SUFFIXES):
            found += _in_file(Path(name))
    found += _under_job(modules)
    _refuse_doubles(found)
    return found


def _in_file(path: Path) -> Iterator[Definition]:
    """Yield what a file holds: an object, a list of them, or several documents."""
    try:
        documents = documents_in(path.read_text(encoding="utf-8"))
    except ValueError as error:
        msg = f"{path} cannot be read: {error}"
        raise ValueError(msg) from None
    for document in documents:
        found = document if isinstance(document, list) else [document]
        for one in found:
            if not _is_definition(one):
                msg = (
                    f"{path} must hold definitions of jobs: objects with slug, name, type,"
                    " entryPoint, as POST /jobs takes them"
                )
                raise ValueError(msg)
            yield one


def _is_definition(found: Json) -> TypeGuard[JsonObject]:
    return isinstance(found, dict) and isinstance(found.get("slug"), str)


def _under_job(modules: Sequence[str]) -> list[Definition]:
    if not modules:
        return []
    package, *_ = packages_of(handler_source(modules, None))
    found = [offer.definition for offer in offers([package]).values()]
    definitions = [definition for definition in found if definition is not None]
    if not definitions:
        named = ", ".join(modules)
        msg = f"{named}: no function is under @job, so there is nothing to register"
        raise ValueError(msg)
    return definitions


def _refuse_doubles(definitions: Sequence[Definition]) -> None:
    seen: set[str] = set()
    for definition in definitions:
        slug = str(definition["slug"])
        if slug.lower() in seen:
            msg = f"the job {slug!r} is defined twice"
            raise ValueError(msg)
        seen.add(slug.lower())
