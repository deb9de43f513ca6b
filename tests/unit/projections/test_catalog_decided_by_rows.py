"""The rows of apps and builds decide as their histories do."""

from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from catalog import build_rows, repository_rows
from catalog.build import Build, BuildTarget
from catalog.repository import App, Ingested, Repository
from tests.unit.given import NOON, RUN_ID
from tests.unit.projections.both import TEXTS, Both, Command, check

# Apps and builds ----------------------------------------------------------------------------------

TAGS = st.lists(st.fixed_dictionaries({"key": TEXTS, "value": TEXTS}), max_size=2)

FOUND = Ingested(
    commit_sha="0123",
    name="Shop",
    description="Sells",
    dockerfile_path="d/Dockerfile",
    tags=[{"key": "found", "value": "it"}],
    preview_tiles=[{"src": "x" * 100}],
)


def _of_app(run_id: str, tags: list[Any]) -> st.SearchStrategy[Command]:
    acts: list[Command] = [
        lambda app, now: app.request_ingestion(run_id, now),
        lambda app, now: app.start_ingestion(run_id, 1, now),
        lambda app, now: app.read_commit(run_id, run_id[:7], now),
        lambda app, now: app.retry_ingestion(run_id, 1, "boom", 5, now),
        lambda app, now: app.finish_ingestion(run_id, 1, FOUND, None, now),
        lambda app, now: app.finish_ingestion(
            run_id, 1, replace(FOUND, name="Other", tags=tags), 7, now
        ),
        lambda app, now: app.fail_ingestion(run_id, 2, "boom", None, now),
        lambda app, now: app.read_env_templates("build", tags, now),
    ]
    return st.sampled_from(acts)


APP_COMMANDS = st.tuples(st.uuids().map(str), TAGS).flatmap(lambda drawn: _of_app(*drawn))


@given(tags=TAGS, commands=st.lists(APP_COMMANDS, max_size=10))
def test_an_app_decides_by_its_row_as_by_its_history(
    tags: list[Any], commands: list[Command]
) -> None:
    app = App(
        id="shop",
        name="Shop",
        description="",
        repo_url="/srv/shop",
        dockerfile_path="Dockerfile",
        tags=tags,
    )
    both = Both(Repository.add(app, NOON))
    check(both, repository_rows.TABLE, commands)


IMAGE = {"commit_sha": "4567", "git_branch": None, "image_tag": "shop:1", "image_digest": None}


def _of_build(run_id: str, text: str) -> st.SearchStrategy[Command]:
    acts: list[Command] = [
        lambda build, now: build.start(run_id, 1, now),
        lambda build, now: build.check_out(text or "0123", now),
        lambda build, now: build.retry_later(1, text, now),
        lambda build, now: build.succeed(dict(IMAGE), now),
        lambda build, now: build.fail(text, now),
        lambda build, now: build.cancel(text, now),
        lambda build, _: build.retry_target(),
    ]
    return st.sampled_from(acts)


BUILD_COMMANDS = st.tuples(st.uuids().map(str), TEXTS).flatmap(lambda drawn: _of_build(*drawn))

TARGETS = st.builds(
    BuildTarget,
    git_branch=st.none() | st.just("main"),
    git_ref=st.none() | st.just("v1"),
    commit_sha=st.none() | st.just("0123"),
)


@given(run_id=st.none() | st.uuids(), target=TARGETS, commands=st.lists(BUILD_COMMANDS, max_size=8))
def test_a_build_decides_by_its_row_as_by_its_history(
    run_id: Any, target: BuildTarget, commands: list[Command]
) -> None:
    build = Build.request(RUN_ID, "shop", run_id, target, NOON)
    check(Both(build), build_rows.TABLE, commands)
