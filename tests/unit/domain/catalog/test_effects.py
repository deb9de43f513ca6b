"""What a result may tell the catalog, and what it must not."""

from typing import Any

import pytest

from catalog import follower
from catalog.follower import BUILT, INGESTED
from catalog.handler_settings import BUILD_ENTRY_POINT
from domain.jobs.run_events import Report
from domain.run_followers import Effect
from tests.unit.domain.catalog.ingestions import FINDINGS, FOUND
from tests.unit.given import WORKER, a_run, at

BUILD: dict[str, Any] = {
    "commit_sha": "0" * 40,
    "git_branch": None,
    "image_tag": "apphub/shop:000000000000",
    "image_digest": "sha256:0",
}

PORT = {"key": "PORT", "value": "80"}

WITHOUT_TAGS = {key: value for key, value in FOUND.items() if key != "tags"}


@pytest.mark.parametrize(
    ("effect", "path"),
    [
        (Effect("repository.deleted", FOUND), "/effects/1/kind"),
        (Effect(INGESTED, {**FOUND, "more": 1}), "/effects/1/data"),
        (Effect(INGESTED, WITHOUT_TAGS), "/effects/1/data/tags"),
        (Effect(INGESTED, {**FOUND, "name": ""}), "/effects/1/data/name"),
        (Effect(INGESTED, {**FOUND, "tags": ["a:b"]}), "/effects/1/data/tags/0"),
        (Effect(INGESTED, {**FOUND, "preview_tiles": [{}] * 7}), "/effects/1/data/preview_tiles"),
        (Effect(BUILT, {**BUILD, "image_tag": None}), "/effects/1/data/image_tag"),
    ],
)
def test_an_effect_that_nobody_knows_or_of_another_shape_is_refused(
    effect: Effect, path: str
) -> None:
    assert [issue.path for issue in follower.effect_issues([*FINDINGS, effect])] == [path]


def test_the_effects_of_both_jobs_are_known() -> None:
    assert follower.effect_issues([*FINDINGS, Effect(BUILT, BUILD)]) == []


def reporting(context: dict[str, Any]) -> object:
    run = a_run(entry_point=BUILD_ENTRY_POINT, parameters={"buildId": "b"})
    holder = run.start(WORKER, at(100))
    run.progress(holder, at(200), Report(context=context))
    return run.pending_events[-1]


def test_a_report_tells_which_variables_an_app_takes() -> None:
    for templates in ([], [PORT]):
        event = reporting({"launchEnvTemplates": templates})
        assert follower.reported_templates(event) == templates


@pytest.mark.parametrize(
    "templates", [None, "PORT", {}, ["PORT"], [{"key": "PORT"}], [{**PORT, "more": 1}], [PORT] * 33]
)
def test_what_are_no_variables_is_passed_over(templates: Any) -> None:
    event = reporting({"launchEnvTemplates": templates, "more": 1})
    assert follower.reported_templates(event) is None
    assert follower.reported_templates(reporting({})) is None
    assert follower.reported_templates(object()) is None
