"""Whether jobs for a runtime can be executed (contract, section 4)."""

from tests.integration.shared_api import Json, SharedApi, moment


def test_runtimes_are_ready_while_a_worker_lives(shared: SharedApi) -> None:
    def runtimes() -> list[Json]:
        return list(shared.get("/jobs/runtimes")["data"])

    names = ["python", "node", "docker", "module"]
    without = runtimes()
    assert [one["runtime"] for one in without] == names
    assert {(one["ready"], one["details"]["workers"]) for one in without} == {(False, 0)}
    assert all("apphub-jobs worker" in one["reason"] for one in without)
    shared.rows(
        "INSERT INTO workers (id, host, pid, slots, lease_ms)"
        " VALUES ('here', 'host', 1, 4, 600000) RETURNING id"
    )
    assert {(one["ready"], one["reason"]) for one in runtimes()} == {(True, None)}
    moment(runtimes()[0]["checkedAt"])
