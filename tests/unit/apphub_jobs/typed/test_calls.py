"""What a run's parameters become before the call, and what is made of what is returned."""

import asyncio
import json
from dataclasses import dataclass
from datetime import UTC, date, datetime
from enum import Enum
from pathlib import Path
from typing import Annotated, Any

import pytest
from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from apphub_jobs import JobResult, JobRunContext, PermanentError, RunDetails, job
from apphub_jobs.process.program import NotJsonError, encode
from apphub_jobs.testing import call
from tests.support.contexts import context_of


class Level(Enum):
    LOW = "low"


class Image(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)

    repository_id: str
    built_at: datetime | None = None


@dataclass
class Report:
    day: date
    images: list[Image]


def result_of(made: Any, **parameters: Any) -> JobResult:
    context = context_of(parameters=parameters)
    ended: JobResult = made.handler()(context)
    return ended


def test_arguments_are_converted_to_the_annotated_types() -> None:
    seen: dict[str, object] = {}

    @job
    def collect(
        day: date, level: Level, images: tuple[Image, ...], place: Path = Path("/")
    ) -> None:
        seen.update(day=day, level=level, images=images, place=place)

    result_of(collect, day="2026-11-25", level="low", images=[{"repositoryId": "a"}])
    assert seen == {
        "day": date(2026, 11, 25),
        "level": Level.LOW,
        "images": (Image(repository_id="a"),),
        "place": Path("/"),
    }


@job
def greet(
    name: Annotated[str, Field(min_length=1, alias="fullName")],
    times: Annotated[int, Field(ge=1)] = 1,
) -> list[str]:
    return [name] * times


def test_arguments_that_do_not_fit_are_told_one_by_one_without_their_values() -> None:
    with pytest.raises(PermanentError) as raised:
        result_of(greet, fullName=["secret"], times=0, more=True)
    text = str(raised.value)
    assert text.startswith("the parameters do not fit greet: ")
    assert "fullName: Input should be a valid string" in text
    assert "times: Input should be greater than or equal to 1" in text
    assert "more: Extra inputs are not permitted" in text
    assert "secret" not in text
    assert raised.value.__suppress_context__
    with pytest.raises(PermanentError, match="fullName: Field required"):
        result_of(greet)


def test_what_takes_nothing_refuses_parameters() -> None:
    @job
    def tick() -> None:
        pass

    with pytest.raises(PermanentError, match="tick takes no parameters, but was given"):
        result_of(tick, n=1)


def test_the_context_goes_where_its_type_stands() -> None:
    @job
    def tell(times: int, *, run: JobRunContext) -> str:
        return f"{run.run.id} {times}"

    context = context_of(run=RunDetails(id="r-1"), parameters={"times": 2})
    ended: Any = tell.handler()(context)
    assert ended == JobResult(result="r-1 2")


def test_a_coroutine_function_is_awaited() -> None:
    @job
    async def later(n: int) -> int:
        await asyncio.sleep(0)
        return n + 1

    handler: Any = later.handler()
    ended = asyncio.run(handler(context_of(parameters={"n": 1})))
    assert ended == JobResult(result=2)
    assert asyncio.run(later(1)) == 2


def test_a_job_is_called_as_the_function_it_is_made_of() -> None:
    assert greet("Ada", times=2) == ["Ada", "Ada"]
    assert greet.__name__ == "greet"


def test_results_become_json_by_the_return_type() -> None:
    image = Image(repository_id="a", built_at=datetime(2026, 11, 25, tzinfo=UTC))

    @job
    def report() -> Report:
        return Report(date(2026, 11, 25), [image])

    assert result_of(report).result == {
        "day": "2026-11-25",
        "images": [{"repositoryId": "a", "builtAt": "2026-11-25T00:00:00Z"}],
    }
    schema = report.definition["outputSchema"]
    assert "repositoryId" in schema["$defs"]["Image"]["properties"]


def test_results_without_a_type_may_hold_models_and_dataclasses() -> None:
    @job
    def report(n: int):  # type: ignore[no-untyped-def]
        return {"images": [Image(repository_id="a")], "report": Report("d", [])}  # type: ignore[arg-type]

    ended = result_of(report, n=1)
    assert json.loads(encode({"result": ended.result})) == {
        "result": {
            "images": [{"repositoryId": "a", "builtAt": None}],
            "report": {"day": "d", "images": []},
        }
    }


def test_a_job_result_is_kept_as_it_is() -> None:
    result = JobResult(status="canceled", metrics={"n": 1})

    @job
    def stop() -> JobResult:
        return result

    assert result_of(stop) is result


def test_a_runs_result_is_read_back_as_the_return_type_says() -> None:
    @job
    def report() -> Report:
        raise NotImplementedError

    read = report.result({"day": "2026-11-25", "images": [{"repositoryId": "a"}]})
    assert read == Report(date(2026, 11, 25), [Image(repository_id="a")])


def test_the_arguments_of_a_launch_become_parameters() -> None:
    assert greet.parameters("Ada", times=2) == {"fullName": "Ada", "times": 2}
    for wrong in ((), ("Ada", 1, 2)):
        with pytest.raises(TypeError):
            greet.parameters(*wrong)
    with pytest.raises(TypeError, match="unexpected keyword argument 'nam'"):
        greet.parameters("Ada", nam="Ada")  # type: ignore[call-arg]


class Ring(list[object]):
    """A list that holds itself."""

    def __init__(self) -> None:
        self.append(self)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"a": [1, {"b": {1}}]}, "result.a[1].b is a value of type set"),
        ([1.0, float("nan")], "result[1] is NaN"),
        ({"a": float("-inf")}, "result.a is -Infinity"),
        ({("a", "b"): 1}, "result has the key ('a', 'b')"),
        (Report(date(2026, 1, 1), []), "result.day is a value of type date"),
        (Ring(), "result[0] holds itself"),
        (Level, "result is a value of type a type"),
        (asyncio.sleep, "result is a value of type function"),
    ],
)
def test_what_cannot_be_json_is_told_with_its_place(value: object, message: str) -> None:
    with pytest.raises(NotJsonError) as raised:
        encode({"type": "result", "result": value})
    assert str(raised.value) == message


def nested(depth: int) -> object:
    value: object = 1
    for _ in range(depth):
        value = [value]
    return value


@job
def told_openly(value: str) -> Any:
    """Return what a handler should not."""
    values: dict[str, object] = {
        "nan": {"share": float("nan")},
        "bytes": [b"\xff"],
        "circle": Ring(),
        "deep": nested(2_000),
    }
    return values[value]


@job
def exact_bytes() -> bytes:
    return b"\xff"


@pytest.mark.parametrize(
    ("value", "pointer"),
    [
        ("nan", "result.share is NaN"),
        ("bytes", "result[0] is a value of type bytes"),
        ("circle", "result[0] holds itself"),
        ("deep", "it is nested too deeply, or holds itself"),
    ],
)
def test_what_a_typed_job_should_not_return_is_told_with_its_place(
    value: str, pointer: str
) -> None:
    with pytest.raises(NotJsonError) as raised:
        call(told_openly, value)
    assert str(raised.value) == pointer


def test_bytes_that_are_no_text_are_told_with_their_place() -> None:
    with pytest.raises(NotJsonError, match="result is a value of type bytes"):
        call(exact_bytes)
