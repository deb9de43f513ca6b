"""The commands of `apphub-jobs` with all that they take, read from their parsers."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from typer.main import get_command

from cli.main import COMMANDS, GROUPS, complete


@dataclass(frozen=True)
class Taken:
    """An option or an argument.

    Attributes:
        flags: `--follow`, `-f`; an argument has its name alone.
        variables: of the environment, the first one counts most.
        default: None where there is none.
    """

    flags: Sequence[str]
    variables: Sequence[str]
    default: str | None
    meaning: str
    is_option: bool
    is_required: bool
    may_repeat: bool


@dataclass(frozen=True)
class Command:
    """A command: its words, what it does, what it takes."""

    words: str
    help: str
    takes: Sequence[Taken]

    @property
    def usage(self) -> str:
        """How it is typed, with its arguments."""
        arguments = [_as_typed(one) for one in self.takes if not one.is_option]
        required = [f"{one.flags[0]} …" for one in self.takes if one.is_option and one.is_required]
        return " ".join(["apphub-jobs", self.words, "[OPTIONS]", *required, *arguments])


def commands() -> list[Command]:
    """Return all commands that are shown, in the order of `--help` of each."""
    top = get_command(complete()).commands  # type: ignore[attr-defined]  # It is a group.
    order = [*COMMANDS, *GROUPS, *top]
    names = sorted(top, key=order.index)
    return [command for name in names for command in _below(name, top[name])]


def _below(words: str, command: Any) -> Iterator[Command]:
    """Yield the command, or those of a group."""
    for name, member in getattr(command, "commands", {}).items():
        yield from _below(f"{words} {name}", member)
    if hasattr(command, "commands") or command.hidden:
        return
    takes = [_taken(one) for one in command.params if not one.hidden]
    yield Command(words, command.help, takes)


def _taken(parameter: Any) -> Taken:
    is_option = parameter.param_type_name == "option"
    name = parameter.metavar or parameter.name.upper()
    flags = [*parameter.opts, *parameter.secondary_opts] if is_option else [name]
    variables = parameter.envvar or []
    if isinstance(variables, str):
        variables = [variables]
    may_repeat = parameter.multiple if is_option else parameter.nargs == -1
    return Taken(
        flags,
        variables,
        _default(parameter),
        _meaning(parameter),
        is_option,
        parameter.required,
        may_repeat,
    )


def _default(parameter: Any) -> str | None:
    value = parameter.default
    if value is None or value is False:
        return None
    if value is True:
        return str(parameter.opts[0])
    return f"{value:g}" if isinstance(value, float) else str(value)


def _meaning(parameter: Any) -> str:
    """Return its help, with the range of a number."""
    least, most = getattr(parameter, "min", None), getattr(parameter, "max", None)
    meaning = parameter.help or ""
    if least is not None and most is not None:
        return f"{meaning} ({least} to {most})"
    if least is not None:
        return f"{meaning} ({least} or more)"
    return meaning


def _as_typed(argument: Taken) -> str:
    name = argument.flags[0]
    if argument.may_repeat and not name.endswith("..."):
        name = f"{name}…"
    return name if argument.is_required or name.startswith("[") else f"[{name}]"
