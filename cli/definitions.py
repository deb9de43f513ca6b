"""Definitions of jobs and schedules from all sources: files, directories and modules."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from api.bootstrap.handlers import handler_source
from cli.definition_files import (
    SUFFIXES,
    files_below,
    is_job,
    is_schedule,
    objects_in,
    refuse_duplicates,
)
from worker.executors.local.probe import probe_handlers
from worker.executors.packages import collect_packages

Definition = Mapping[str, Any]


@dataclass(frozen=True)
class Definitions:
    """What files and modules define: bodies of `POST /jobs` and `POST /schedules`."""

    jobs: Sequence[Definition]
    schedules: Sequence[Definition]


def definitions_in(sources: Sequence[str], pythons: Sequence[str]) -> Definitions:
    """Return the definitions of directories, files and modules.

    Args:
        sources: these.
        pythons: interpreters of modules, as `handler_source` takes them.

    Raises:
        ValueError: a source is invalid or defines nothing, or two define the same.
        OSError: a file cannot be read.
    """
    files: dict[Path, None] = {}
    modules: dict[str, None] = {}
    for source in sources:
        for name in _files_or_module(source):
            if name.endswith(SUFFIXES):
                files[Path(name).resolve()] = None
            else:
                modules[name] = None
    jobs: list[Definition] = []
    schedules: list[Definition] = []
    for path in files:
        for definition in objects_in(path):
            if is_job(definition):
                jobs.append(definition)
            elif is_schedule(definition):
                schedules.append(definition)
            else:
                msg = (
                    f"{path} must hold jobs (objects with slug, name, type, entryPoint) or"
                    " schedules (objects with id, job, and cron or everyMs), and nothing else"
                )
                raise ValueError(msg)
    jobs += _jobs_in_modules([*modules], pythons)
    refuse_duplicates("job", (str(job["slug"]) for job in jobs))
    refuse_duplicates("schedule", (str(schedule["id"]) for schedule in schedules))
    return Definitions(jobs, schedules)


def _files_or_module(source: str) -> Sequence[str]:
    path = Path(source)
    if not path.is_dir():
        return [source]
    files = [str(file) for file in files_below(path)]
    if not files:
        msg = f"{source} has no file with a job or a schedule"
        raise ValueError(msg)
    return files


def jobs_in(sources: Sequence[str], pythons: Sequence[str] = ()) -> list[Definition]:
    """Return the definitions of jobs in files and modules: first those of files, in order.

    Args:
        sources: files and modules.
        pythons: interpreters of modules, as `handler_source` takes them.

    Raises:
        ValueError: a source is invalid, or two define the same job.
        OSError: a file cannot be read.
    """
    definitions: list[Definition] = []
    for name in sources:
        if name.endswith(SUFFIXES):
            definitions += _jobs_in_file(Path(name))
    modules = [name for name in sources if not name.endswith(SUFFIXES)]
    definitions += _jobs_in_modules(modules, pythons)
    refuse_duplicates("job", (str(definition["slug"]) for definition in definitions))
    return definitions


def _jobs_in_file(path: Path) -> Iterator[Definition]:
    """Yield the definitions in a file: one object, a list of them, or several documents."""
    for definition in objects_in(path):
        if not is_job(definition):
            msg = (
                f"{path} must hold definitions of jobs: objects with slug, name, type,"
                " entryPoint, as POST /jobs takes them"
            )
            raise ValueError(msg)
        yield definition


def _jobs_in_modules(modules: Sequence[str], pythons: Sequence[str]) -> list[Definition]:
    """Return the definitions of all functions under `@job` in modules, by their own interpreters.

    Raises:
        ValueError: a module cannot be imported, or none has such a function.
    """
    if not modules:
        return []
    source = handler_source(modules, None, pythons=pythons)
    packages = [
        package
        for package in collect_packages(source)
        if not set(source.modules).isdisjoint(package.modules)
    ]
    handlers = probe_handlers(packages).values()
    definitions = [handler.definition for handler in handlers if handler.definition is not None]
    if not definitions:
        names = ", ".join(modules)
        msg = f"{names}: no function is under @job, so there is nothing to register"
        raise ValueError(msg)
    return definitions
