"""What the log and its tables keep of errors: no sentence that quotes what somebody sent."""

from typing import Any
from uuid import uuid4

import pytest

from domain.bulk import Order
from domain.commands.bulk import BulkOperations, BulkSteps
from domain.commands.failures import Failures
from domain.jobs.launching import Launch
from domain.jobs.run_events import AttemptFailure, Report
from domain.json_values import JsonObject
from eventlog.failures import FailureSearch
from eventlog.history.as_of import PastRunSelector
from tests.support.logs import TESTER, Parts, query, registered
from tests.support.sample_logs.personal import SCHEMA, places_of
from tests.support.sample_logs.shops import Shop

NAME = f"Ada {uuid4()}"

GIVEN: dict[str, Any] = {"customerId": NAME, "address": {f"mail of {NAME}": 1}}

STRICT: dict[str, Any] = {
    **SCHEMA,
    "properties": {
        **SCHEMA["properties"],
        "customerId": {"type": "integer", "x-subject": "customerId"},
        "address": {"x-subject": "customerId", "additionalProperties": {"type": "string"}},
    },
}


async def test_a_bulk_operation_records_which_rule_a_run_breaks_and_no_value(
    shop: Shop, part: Parts
) -> None:
    for _ in range(3):
        launched = await part.jobs.launch("job", Launch(parameters=GIVEN), TESTER)
        await part.jobs.cancel(launched.run_id, None, TESTER)
    await part.jobs.revise_job("job", {"parameters_schema": STRICT}, None, TESTER)
    selected = PastRunSelector(part.pool, part.files)
    operations = BulkOperations(part.jobs, selected)
    steps = BulkSteps(part.jobs, selected)
    order = Order(action="rerun", filter=("job=job",), reason="again", patch=None)
    preview = await operations.preview(order, TESTER)
    assert NAME in str(preview.refused[0]["why"]), "the answer may tell what is wrong"
    started = await operations.start(order, TESTER)
    while await steps.process_next(started.operation_id) is not None:
        pass
    [(refusals,)] = query(shop.url, "SELECT refusals FROM bulk_operations")
    assert [one["why"] for one in refusals] == [
        (
            '/parameters/address breaks "type": "string";'
            ' /parameters/customerId breaks "type": "integer"'
        )
    ] * 3
    await part.subjects.erase(NAME, None, TESTER)
    assert places_of(shop.url, NAME) == set()


@pytest.mark.parametrize("way", ["fail", "expire", "cancel"])
async def test_a_handlers_words_are_recorded_without_the_runs_personal_values(
    shop: Shop, part: Parts, way: str
) -> None:
    launched = await part.jobs.launch("job", Launch(parameters=GIVEN), TESTER)
    run_id = launched.run_id
    [claim] = await part.executions.claim(await part.worker("w"), 1)
    words = f"no letter for {NAME!r}"
    report = Report(context={"stack": f"Traceback …\nValueError: {words}\n"})
    ends = part.executions
    match way:
        case "fail":
            failure = AttemptFailure(words, permanent=True)
            await ends.fail(run_id, claim.holder, failure, report)
        case "expire":
            await ends.expire(run_id, claim.holder, words, report)
        case "cancel":
            await ends.confirm_cancel(run_id, claim.holder, words, report, by_handler=True)
    [(message, stack)] = query(shop.url, "SELECT error_message, context ->> 'stack' FROM job_runs")
    assert message == "no letter for '[personal]'"
    assert stack == "Traceback …\nValueError: no letter for '[personal]'\n"
    findings = await FailureSearch(part.pool, part.files).after(0)
    await Failures(part.jobs).record(findings)
    await part.subjects.erase(NAME, None, TESTER)
    assert places_of(shop.url, NAME) == set()


async def test_an_invalid_result_is_recorded_by_its_place_and_rule(shop: Shop, part: Parts) -> None:
    schema: dict[str, Any] = {"properties": {"count": {"type": "integer"}}}
    await registered(part.jobs, "counted", output_schema=schema)
    launched = await part.jobs.launch("counted", Launch(), TESTER)
    [claim] = await part.executions.claim(await part.worker("w"), 1)
    result: JsonObject = {"count": NAME}
    await part.executions.succeed(launched.run_id, claim.holder, result, Report())
    [(message,)] = query(shop.url, "SELECT error_message FROM job_runs")
    assert message == 'invalid result: /result/count breaks "type": "integer"'
    assert places_of(shop.url, NAME) == set()
