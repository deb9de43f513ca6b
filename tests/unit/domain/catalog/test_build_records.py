"""What clients see of a build after each step of its run."""

from catalog import build_rows
from catalog.build import BuildTarget
from catalog.build_rows import NO_LOG, LogExcerpt
from domain.json_values import JsonObject
from domain.ports import Row
from projections import messages
from tests.unit.domain.catalog.test_builds import BUILD_ID, COMMIT, IMAGE, requested
from tests.unit.given import RUN_ID, at, iso, stored

SHOWN: JsonObject = {
    "id": str(BUILD_ID),
    "repositoryId": "Shop",
    "status": "pending",
    "imageTag": None,
    "imageDigest": None,
    "errorMessage": None,
    "commitSha": None,
    "gitBranch": "main",
    "gitRef": None,
    "createdAt": iso(0),
    "updatedAt": iso(0),
    "startedAt": None,
    "completedAt": None,
    "durationMs": None,
    "logsPreview": "",
    "logsTruncated": False,
    "hasLogs": False,
    "logsSize": 0,
    "jobRunId": str(RUN_ID),
}


def test_a_build_is_shown_whole_after_each_step() -> None:
    build = requested(BuildTarget(git_branch="main"))
    build.start(str(RUN_ID), 1, at(10))
    build.check_out(COMMIT, at(20))
    build.retry_later(1, "boom", at(30))
    build.start(str(RUN_ID), 2, at(40))
    build.succeed(IMAGE, at(90))
    row: Row | None = None
    seen = []
    for event in stored(build):
        before, row = row, build_rows.TABLE.fold(row, event)
        [message] = messages.messages(event, before, row)
        assert (message.type, message.data) == (
            "build.updated",
            {"build": build_rows.present(row, NO_LOG)},
        )
        seen.append(message.data["build"])
    started_: JsonObject = {
        **SHOWN,
        "status": "running",
        "startedAt": iso(10),
        "updatedAt": iso(10),
    }
    image = {"imageTag": "apphub/shop:cccccccccccc", "imageDigest": "sha256:1"}
    assert seen == [
        SHOWN,
        started_,
        {**started_, "commitSha": COMMIT, "updatedAt": iso(20)},
        {**SHOWN, "commitSha": COMMIT, "errorMessage": "boom", "updatedAt": iso(30)},
        {**started_, "commitSha": COMMIT, "startedAt": iso(40), "updatedAt": iso(40)},
        {
            **started_,
            **image,
            "status": "succeeded",
            "commitSha": COMMIT,
            "durationMs": 50,
            "startedAt": iso(40),
            "completedAt": iso(90),
            "updatedAt": iso(90),
        },
    ]


def test_a_build_shows_the_end_of_its_log() -> None:
    build = build_rows.present(
        build_rows.TABLE.fold(None, stored(requested())[0]), LogExcerpt("done", 9, truncated=True)
    )
    assert (build["logsPreview"], build["logsSize"], build["hasLogs"], build["logsTruncated"]) == (
        "done",
        9,
        True,
        True,
    )
