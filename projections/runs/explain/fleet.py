"""What keeps a run waiting for a worker: none lives, none executes it, or all are busy."""

from collections.abc import Iterable, Sequence

from domain.json_values import Json, JsonObject
from domain.workers.isolation import Isolation
from domain.workers.labels import Labels, has_labels, told
from projections.runs.candidates.candidate import Candidate
from projections.runs.candidates.foreign import Demand
from projections.runs.explain.around import (
    NAMED,
    Around,
    Member,
    Reason,
    busy_of,
    latest,
    slots_of,
)
from projections.runs.limits import takes


def by_workers(run: Candidate, around: Around) -> list[Reason]:
    """Return what keeps a run from being given to any worker, if anything does."""
    fleet = around.fleet
    if fleet is None:
        return []
    if not _any_alive(fleet):
        return [_no_worker(fleet)]
    entry_point = run["entry_point"]
    offering = [one for one in fleet if takes(one["entry_points"], entry_point)]
    if not _any_alive(offering):
        return [_not_offered(entry_point, offering)]
    able = around.able(run)
    if not able:
        return [_not_able(entry_point, around.wanted(run), offering)]
    if any(around.free_slots(worker, run) > 0 for worker in able):
        return []
    return [_full(run, able, around)]


def _any_alive(fleet: Sequence[Member]) -> bool:
    return any(worker["state"] == "alive" for worker in fleet)


def _full(run: Candidate, able: Sequence[Member], around: Around) -> Reason:
    ids = {worker["id"] for worker in able}
    here = [one for one in around.running if one["worker_id"] in ids]
    since = latest(run, here, around)
    details: JsonObject = {"workers": _shown(able, around.wanted(run).isolation)}
    entry_point = run["entry_point"]
    message = (
        f"all slots of the workers that execute {entry_point} are taken:"
        " wait for a run to end, or start another worker"
    )
    return Reason("slots_full", message, True, since, details)


def _no_worker(fleet: Sequence[Member]) -> Reason:
    details: JsonObject = {
        "draining": _ids_of(fleet, "draining"),
        "lost": _ids_of(fleet, "lost"),
    }
    message = "no living worker claims anything: start one"
    return Reason("no_worker", message, True, None, details)


def _not_able(entry_point: str, wanted: Demand, offering: Sequence[Member]) -> Reason:
    alive = [worker for worker in offering if worker["state"] == "alive"]
    if wanted.isolation == "process":
        having = [one for one in alive if has_labels(one["labels"], wanted.labels)]
        if having:
            return _without_room(entry_point, having)
        return _not_labelled(wanted.labels, offering)
    if any(slots_of(worker, wanted.isolation) > 0 for worker in alive):
        return _not_labelled(wanted.labels, offering)
    message = (
        "no living worker that executes it lets attempts share a process: start one with"
        " --shared-slots, or revise the job's isolation"
    )
    details: JsonObject = {"isolation": wanted.isolation}
    return Reason("no_worker_shares", message, True, None, details)


def _without_room(entry_point: str, able: Sequence[Member]) -> Reason:
    message = (
        f"the workers that execute {entry_point} have no room at the moment, for their cluster is"
        " full: wait, or give it more nodes"
    )
    details: JsonObject = {"workers": _shown(able, "process")}
    return Reason("slots_full", message, True, None, details)


def _not_labelled(wanted: Labels, offering: Sequence[Member]) -> Reason:
    having = [one for one in offering if has_labels(one["labels"], wanted)]
    leaving = _ids_of(having, "draining")
    labels = told(wanted)
    message = (
        f"no living worker that executes it has the labels {labels}:"
        " start one with them, or revise the job's workerLabels"
    )
    if leaving:
        message = (
            f"workers with the labels {labels} are being drained, and no other one has them:"
            " start one that does"
        )
    details: JsonObject = {"workerLabels": {**wanted}, "draining": leaving}
    return Reason("no_worker_has_labels", message, True, None, details)


def _not_offered(entry_point: str, offering: Sequence[Member]) -> Reason:
    leaving = _ids_of(offering, "draining")
    message = f"no living worker executes {entry_point}: the run waits until one does"
    if leaving:
        message = (
            f"workers that execute {entry_point} are being drained, and no other one does:"
            " start one that does"
        )
    details: JsonObject = {"entryPoint": entry_point, "draining": leaving}
    code = "no_worker_offers_entry_point"
    return Reason(code, message, True, None, details)


def _ids_of(fleet: Iterable[Member], state: str) -> list[Json]:
    found = [one for one in fleet if one["state"] == state]
    return [one["id"] for one in found[:NAMED]]


def _shown(fleet: Sequence[Member], isolation: Isolation) -> list[Json]:
    """Return workers with the slots that count for this isolation."""
    return [
        {
            "id": worker["id"],
            "slots": slots_of(worker, isolation),
            "busy": busy_of(worker, isolation),
        }
        for worker in fleet[:NAMED]
    ]
