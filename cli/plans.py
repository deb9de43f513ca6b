"""The change that registering a definition would make (`Plan`), and its lines for people."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import unified_diff
from typing import Any

import yaml
from rich.text import Text

from apphub_jobs.client import Client, JobDocument, NotFoundError
from apphub_jobs.client.requests.jobs import differences

STYLES = {"+": "green", "-": "red"}


@dataclass(frozen=True)
class Plan:
    """The change of one job.

    Attributes:
        definition: the new definition.
        current: the current one; None if there is no such job.
        changes: each field that differs, with its current and its new value.
    """

    definition: Mapping[str, Any]
    current: JobDocument | None
    changes: Mapping[str, tuple[Any, Any]]

    @property
    def slug(self) -> str:
        """The job's slug."""
        return str(self.definition["slug"])

    @property
    def action(self) -> str:
        """`register`, `revise` or `keep`."""
        if self.current is None:
            return "register"
        if self.changes:
            return "revise"
        return "keep"

    def present(self) -> dict[str, Any]:
        """Return the plan as JSON."""
        changes = {
            name: {"from": before, "to": after} for name, (before, after) in self.changes.items()
        }
        return {"slug": self.slug, "action": self.action, "changes": changes}


def plan_of(client: Client, definition: Mapping[str, Any]) -> Plan:
    """Return what the definition would change in the service."""
    try:
        current = client.job(str(definition["slug"]))
    except NotFoundError:
        return Plan(definition, None, {})
    return Plan(definition, current, differences(definition, current))


def lines_of(plan: Plan) -> Iterator[Text]:
    """Yield lines for people."""
    slug = (plan.slug, "bold")
    current = plan.current
    if current is None:
        yield Text.assemble(slug, "  new")
        return
    version = current.version
    if not plan.changes:
        yield Text.assemble(slug, f"  unchanged, version {version}")
        return
    yield Text.assemble(slug, f"  version {version} -> {version + 1}")
    for name, (before, after) in plan.changes.items():
        yield from lines_of_change(name, before, after)


def lines_of_change(name: str, before: Any, after: Any) -> Iterator[Text]:
    """Yield lines for a field that changes."""
    if not isinstance(before, dict) and not isinstance(after, dict):
        yield Text(f"    {name}: {_short(before)} -> {_short(after)}")
        return
    yield Text(f"    {name}:")
    lines = list(unified_diff(_yaml_lines(before), _yaml_lines(after), n=1, lineterm=""))
    for line in lines[2:]:  # The first two name files.
        if line.startswith("@@"):
            continue
        sign = line[0]
        yield Text(f"      {sign} {line[1:]}", STYLES.get(sign, "dim"))


def _yaml_lines(value: Any) -> list[str]:
    if value is None:
        return []
    text: str = yaml.safe_dump(value, sort_keys=True, allow_unicode=True)
    return text.splitlines()


def _short(value: Any) -> str:
    return "none" if value is None else str(value)
