"""`apphub-jobs apply`: make jobs and schedules match files.

First how steps are shown and confirmed, then how they are carried out, then the command.
`cli/apply_plan.py` decides on all steps before the first is carried out.
"""

import re
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal

import typer
from rich.text import Text

from apphub_jobs.client import AccessError, ApiError, Client, ConflictError, NotFoundError
from cli.apply_plan import Action, Current, Existing, Kind, Ownership, Step, plan
from cli.definitions import definitions_in
from cli.options import command, exit_on_error, failure
from cli.plans import lines_of_change
from cli.service import ServiceOptions, connected
from cli.start.options import Pythons
from cli.terminal import AsJson, console, print_json, print_note

DIFFERENT = 2
"""The exit code of a dry run that found a difference."""

Outcome = Literal["done", "unchanged", "planned", "refused", "failed", "skipped"]

_WORDS: Mapping[Action, str] = {
    "create": "to create",
    "revise": "to revise",
    "delete": "to delete",
    "keep": "unchanged",
}


def _lines_of(step: Step) -> Iterator[Text]:
    subject = Text.assemble(f"{step.kind} ", (step.name, "bold"))
    version = None if step.current is None else step.current.version
    match step.action:
        case "create":
            yield Text.assemble(subject, "  ", ("new", "green"))
        case "delete":
            yield Text.assemble(subject, "  ", ("to be deleted", "red"), f", version {version}")
        case "revise" if version is not None:
            yield Text.assemble(subject, "  ", (f"version {version} -> {version + 1}", "yellow"))
            for name, (before, after) in step.changes.items():
                yield from lines_of_change(name, before, after)
        case _:
            pass


def _show(steps: Sequence[Step]) -> None:
    out = console()
    for step in steps:
        for line in _lines_of(step):
            out.print(line)
    counts = Counter(step.action for step in steps)
    parts = [f"{counts[action]} {words}" for action, words in _WORDS.items() if counts[action]]
    typer.echo(", ".join(parts), err=True)


def _report(
    step: Step, outcome: Outcome, *, as_json: bool, version: int | None = None, problem: str | None
) -> None:
    """Print the outcome of a step."""
    if as_json:
        changes = {
            name: {"from": before, "to": after} for name, (before, after) in step.changes.items()
        }
        print_json(
            {
                "kind": step.kind,
                "name": step.name,
                "action": step.action,
                "changes": changes,
                "outcome": outcome,
                "version": version,
                "problem": problem,
            }
        )
    if problem is not None:
        print_note(f"apphub-jobs: {step.kind} {step.name}: {problem}")
    elif outcome == "done":
        state = "deleted" if step.action == "delete" else f"at version {version}"
        typer.echo(f"{step.kind} {step.name} is {state}", err=True)


def _confirm(deletions: Sequence[Step], *, yes: bool) -> None:
    """End the command unless the deletions are confirmed."""
    if yes or not deletions:
        return
    names = ", ".join(f"{step.kind} {step.name}" for step in deletions)
    if not sys.stdin.isatty():
        raise failure(f"nothing was changed: give --yes to delete {names}")
    if not typer.confirm(f"Delete {names}?", err=True):
        raise failure("nothing was changed")


@dataclass(frozen=True)
class _Requests:
    """The requests about jobs, or about schedules."""

    show: Callable[[str], Current]
    create: Callable[[Mapping[str, Any]], Current]
    revise: Callable[[str, Mapping[str, Any]], Current]
    delete: Callable[[str], Current]

    @classmethod
    def of(cls, client: Client, kind: Kind) -> "_Requests":
        if kind == "job":
            return cls(client.job, client.register, client.revise, client.delete)
        schedules = client.schedules
        return cls(schedules.show, schedules.create, schedules.revise, schedules.delete)


class _OutdatedPlanError(Exception):
    """The job or schedule has changed since the plan was shown."""


def _carry_out(
    client: Client, steps: Sequence[Step], ownership: Ownership, *, as_json: bool
) -> bool:
    """Carry out the steps; return whether all succeeded.

    After a failure the others continue, but nothing is deleted: its successor may be missing.
    """
    failed: set[Action] = set()
    for step in steps:
        if step.action == "keep":
            _report(
                step, "unchanged", as_json=as_json, version=_version(step.current), problem=None
            )
            continue
        if step.action == "delete" and failed - {"delete"}:
            problem = "not deleted, because an earlier step failed"
            _report(step, "skipped", as_json=as_json, problem=problem)
            continue
        try:
            done = _apply(client, step, ownership)
        except AccessError:
            raise
        except (ApiError, _OutdatedPlanError) as error:
            failed.add(step.action)
            _report(step, "failed", as_json=as_json, problem=str(error))
        else:
            _report(step, "done", as_json=as_json, version=_version(done), problem=None)
    return not failed


def _version(current: Current | None) -> int | None:
    return None if current is None else current.version


def _apply(client: Client, step: Step, ownership: Ownership) -> Current | None:
    """Carry a step out on the service's current state, if it changes no more than the plan showed.

    Raises:
        ApiError: the service refuses it.
        _OutdatedPlanError: it has another owner now, or other content.
    """
    requests = _Requests.of(client, step.kind)
    if step.definition is None:
        return _delete(requests, step, ownership)
    if step.current is None:
        try:
            return requests.create(step.definition)
        except ConflictError as error:
            if error.code not in {"job_exists", "schedule_exists"}:
                raise
    current = requests.show(step.name)
    problem = ownership.problem(current)
    if problem is not None:
        raise _OutdatedPlanError(problem)
    changes = replace(step, current=current).changes
    if any(step.changes.get(name) != change for name, change in changes.items()):
        raise _OutdatedPlanError(
            f"it has changed meanwhile, to version {current.version}; apply again to see the change"
        )
    return requests.revise(step.name, {name: after for name, (_, after) in changes.items()})


def _delete(requests: _Requests, step: Step, ownership: Ownership) -> Current | None:
    try:
        current = requests.show(step.name)
        if current.owner != ownership.owner:
            owner = current.owner or "no owner"
            raise _OutdatedPlanError(f"it belongs to {owner} now, and was not deleted")
        if current.version != _version(step.current):
            raise _OutdatedPlanError(
                f"it has changed meanwhile, to version {current.version}, and was not deleted;"
                " apply again to see the change"
            )
        return requests.delete(step.name)
    except NotFoundError:
        return None  # Another apply of the same owner has deleted it.


OWNER = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}")


def _owner(name: str | None) -> str | None:
    if name is not None and not OWNER.fullmatch(name):
        msg = f"{name!r} has other characters than letters, digits, - and _, or more than 100"
        raise typer.BadParameter(msg)
    return name


apply_app = typer.Typer()


@command(apply_app)
def apply(  # noqa: PLR0913 - one for each option
    *,
    sources: Annotated[
        list[str],
        typer.Argument(
            metavar="PATH...",
            help="Directories; files in YAML or JSON; Python files or modules with functions under"
            " @job.",
        ),
    ],
    owner: Annotated[
        str | None,
        typer.Option(
            envvar="APPHUB_OWNER",
            callback=_owner,
            help="The owner of these definitions: other owners cannot change them by mistake.",
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Change nothing; exit with 2 if anything would.")
    ] = False,
    prune: Annotated[
        bool, typer.Option("--prune", help="Delete what the owner has and the files do not define.")
    ] = False,
    take_over: Annotated[
        bool, typer.Option("--take-over", help="Also change what others own, and become its owner.")
    ] = False,
    python: Pythons = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Delete without asking.")] = False,
    as_json: AsJson = False,
    to: ServiceOptions,
) -> None:
    """Make jobs and schedules match files: create, revise and, with --prune, delete them.

    The changes are shown first. A field that a definition leaves out gets its default.
    """
    if owner is None and (prune or take_over):
        raise typer.BadParameter("--prune and --take-over need --owner")
    ownership = Ownership(owner, take_over=take_over, prune=prune)
    definitions = exit_on_error(lambda: definitions_in(sources, python or ()))
    with connected(to) as client:
        steps = plan(
            definitions,
            Existing(
                {job.slug.lower(): job for job in client.jobs()},
                {schedule.id.lower(): schedule for schedule in client.schedules.each()},
            ),
            ownership,
        )
        if not as_json:
            _show(steps)
        is_refused = any(step.problem for step in steps)
        if dry_run or is_refused:
            for step in steps:
                _report(step, _forecast(step), as_json=as_json, problem=step.problem)
            if is_refused:
                raise failure("nothing was changed")
            is_different = any(step.action != "keep" for step in steps)
            raise typer.Exit(DIFFERENT if is_different else 0)
        _confirm([step for step in steps if step.action == "delete"], yes=yes)
        if not _carry_out(client, steps, ownership, as_json=as_json):
            raise typer.Exit(1)


def _forecast(step: Step) -> Outcome:
    if step.problem is not None:
        return "refused"
    return "unchanged" if step.action == "keep" else "planned"
