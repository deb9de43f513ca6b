"""The documentation names all that there is: options, variables, fields, arguments, reasons."""

import inspect
import json
import re
from collections.abc import Callable
from typing import get_args

import pytest
from pydantic import BaseModel

from api.shapes.jobs import Definition, JobBody, ResourcesBody, RetentionBody, RetryPolicyBody
from api.shapes.runs import Explained, LaunchBody, Reason, Run
from apphub_jobs import JobResult, JobRunContext, job
from docs.generate_reference import written
from domain.jobs.run_events import FailureReason
from tests import ROOT
from tests.unit.test_layout import FLOORS

DOCS = ROOT / "docs"

INTERNAL = {
    "APPHUB_BEGIN_FD",
    "APPHUB_CLOCK_SHIFT",
    "APPHUB_HANDLERS_FD",
    "APPHUB_HANDLERS_FILE",
    "APPHUB_LIFELINE_FD",
    "APPHUB_LISTENING_FD",
}
"""What processes of the service tell each other."""


@pytest.mark.parametrize("name", ["configuration.md", "command-line.md"])
def test_options_and_commands_are_as_generated(name: str) -> None:
    remedy = "run python -m docs.generate_reference"
    path = DOCS / name
    assert path.read_text() == written()[path], remedy


def test_every_variable_is_explained() -> None:
    code = [path.read_text() for top in FLOORS for path in (ROOT / top).rglob("*.py")]
    read = set(re.findall(r'"(APPHUB_[A-Z_]*[A-Z])"', "\n".join(code)))
    assert "APPHUB_BUILDER" in read
    explained = set(re.findall(r"`(APPHUB_\w+)`", _text("configuration.md")))
    assert read - explained == INTERNAL


@pytest.mark.parametrize(
    "shape", [Definition, JobBody, RetryPolicyBody, ResourcesBody, RetentionBody, LaunchBody, Run]
)
def test_every_field_of_jobs_and_runs_is_explained(shape: type[BaseModel]) -> None:
    cells = re.findall(r"^\| ([^|]*)\|", _text("jobs-and-runs.md"), re.MULTILINE)
    codes = re.findall(r"`([^`]+)`", "\n".join(cells))
    explained = {word for code in codes for word in code.split(".")}
    fields = {field.alias for field in shape.model_fields.values()}
    assert len(fields) > 2
    assert fields - explained == set()


def test_the_examples_of_a_definition_and_of_a_launch_would_be_taken() -> None:
    definition, launch, run, _ = _json_in("jobs-and-runs.md")
    spec = JobBody.model_validate(definition).spec()
    assert spec.issues() == []
    assert JobBody.model_fields.keys() == JobBody.model_validate(definition).model_fields_set
    LaunchBody.model_validate(launch)
    Run.model_validate(run)
    fields = [field.alias for field in Run.model_fields.values()]
    assert list(run) == [name for name in fields if name != "quarantined"]


def test_the_example_of_an_explanation_is_of_its_shape() -> None:
    [example] = _json_in("explain.md")
    explanation = Explained.model_validate(example, by_alias=True).data
    assert [reason.message in explanation.summary for reason in explanation.reasons] == [True] * 2
    codes = str(Reason.model_fields["code"].description)
    documented = re.findall(r"`(\w+)`", codes)
    assert len(documented) > 10
    assert [code for code in documented if f"`{code}`" not in _text("explain.md")] == []


@pytest.mark.parametrize("contract", [job, JobRunContext, JobResult])
def test_whatever_handlers_say_and_see_is_explained(contract: Callable[..., object]) -> None:
    cells = re.findall(r"^\| (.*?) \|", _text("handlers.md"), re.MULTILINE)
    named = set(re.findall(r"`(\w+)\b", "\n".join(cells)))
    names = set(inspect.signature(contract).parameters)
    assert len(names) > 6
    assert names - named <= {"slug", "send_report"}
    assert {"update", "cancelled"} <= named


def test_every_reason_of_a_failure_has_its_remedy() -> None:
    section = _text("handlers.md").partition("### Why an attempt failed\n")[2]
    table = re.findall(r"^\| `(\w+)` \|.*\| (.+) \|$", section, re.MULTILINE)
    assert dict(table).keys() - {"failureReason"} == set(get_args(FailureReason))


def _text(name: str) -> str:
    return (DOCS / name).read_text()


def _json_in(name: str) -> list[dict[str, object]]:
    blocks = re.findall(r"```json\n(.*?)```", _text(name), re.DOTALL)
    return [json.loads(block) for block in blocks]
