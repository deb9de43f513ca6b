"""Which runs a worker takes by what it offers."""

from functools import lru_cache
from uuid import UUID

from domain.ports import Offer
from eventlog.workers.offers import unoffered
from projections.rows import Connection
from projections.runs.frontier import Frontier


def offered_by(offer: Offer | None) -> str:
    """Return all entry points whose runs a worker takes, as an array's text; empty for all."""
    if offer is None:
        return ""
    taken = offer.entry_points | offer.given_up
    return _kept_array(taken)


@lru_cache(maxsize=16)
def _kept_array(names: frozenset[str]) -> str:
    return as_array(names)


def as_array(names: frozenset[str]) -> str:
    """Return texts as PostgreSQL writes an array of them."""
    quoted = map(_quoted, sorted(names))
    return "{" + ",".join(quoted) + "}"


def _quoted(name: str) -> str:
    escaped = name.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def executed_by(offer: Offer | None) -> str:
    """Return the entry points that a worker executes, as an array's text; empty for all."""
    if offer is None:
        return ""
    return _kept_array(offer.entry_points)


async def still_given_up(
    connection: Connection, frontier: Frontier, found: list[UUID]
) -> list[UUID]:
    """Leave out the runs that were given up, but that a living worker offers by now."""
    given_up = frontier.given_up(found)
    if not given_up:
        return found
    hopeless = await unoffered(connection, given_up.values())
    return [
        run_id
        for run_id in found
        if run_id not in given_up or given_up[run_id] in hopeless
    ]
