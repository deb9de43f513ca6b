"""Edits of a sealed log behind the service's back, and what a check names."""

from collections.abc import Sequence

from eventlog.seal.report import Report

LAST_SEALED = 33
"""The last position that the sealed log of these tests has under a seal."""


def update(position: int, change: str) -> str:
    """Return the edit of an event."""
    return f"UPDATE jobs_events SET {change} WHERE notification_id = {position}"


def delete(where: str) -> str:
    """Return the removal of events."""
    return f"DELETE FROM jobs_events WHERE {where}"


def insert(position: int) -> str:
    """Return the insertion of a forged event."""
    return f"""
        INSERT INTO jobs_events (notification_id, originator_id, originator_version, topic, state)
        VALUES ({position}, gen_random_uuid(), 1, 'job_run.canceled', '{{}}')
    """


def swap(one: int, other: int) -> Sequence[str]:
    """Return the edits that exchange two events' places."""
    return (
        f"UPDATE jobs_events SET notification_id = -1 WHERE notification_id = {one}",
        f"UPDATE jobs_events SET notification_id = {one} WHERE notification_id = {other}",
        f"UPDATE jobs_events SET notification_id = {other} WHERE notification_id = -1",
    )


def findings_of(report: Report) -> list[tuple[str, int, int]]:
    """Return what a report names: kind, first and last position."""
    return [(finding.kind, finding.position, finding.until) for finding in report.findings]
