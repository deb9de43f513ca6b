"""What keeps a process from serving, from what the database and its tasks show."""

from api.views.status import LATE_S, reasons_of_progress, reasons_of_tasks
from eventlog.measures import FollowerLag
from migrations.runner import HEAD
from runtime.tasks import TaskState


def _progress(
    schema: str = HEAD, unread_s: float | None = None, unsealed_s: float | None = None
) -> FollowerLag:
    return FollowerLag(schema=schema, unread_s=unread_s, unsealed_s=unsealed_s)


def test_who_is_not_behind_is_ready() -> None:
    assert reasons_of_progress(_progress(), 1.0) == []
    assert reasons_of_progress(_progress(unread_s=0.2, unsealed_s=1.5), 1.0) == []


def test_a_reader_that_stands_still_is_named() -> None:
    [reason] = reasons_of_progress(_progress(unread_s=LATE_S + 2), 1.0)
    assert reason == "reader: an event has waited for 7 s to be read"


def test_a_sealer_that_stands_still_is_named_where_there_is_one() -> None:
    behind = _progress(unsealed_s=LATE_S + 2)
    [reason] = reasons_of_progress(behind, 1.0)
    assert reason.startswith("sealer: ")
    assert reasons_of_progress(behind, 10.0) == []
    assert reasons_of_progress(behind, None) == []


def test_an_older_schema_is_named_with_what_to_do() -> None:
    [reason] = reasons_of_progress(_progress(schema="0001"), 1.0)
    assert reason.endswith("run: apphub-jobs migrate")


def test_who_is_ready_stays_so_beside_a_newer_version_that_has_migrated() -> None:
    assert reasons_of_progress(_progress(schema=f"{int(HEAD) + 1:04}"), 1.0) == []


def test_a_task_that_does_not_run_is_named_with_what_it_died_of() -> None:
    running = TaskState("log writer", "running", 3.0, 2, "KeyError('x')")
    waiting = TaskState("stream hub", "backing off", 0.1, 3, "ValueError('y')")
    [reason] = reasons_of_tasks([running, waiting])
    assert reason == "task stream hub: backing off, died 3 times: ValueError('y')"
