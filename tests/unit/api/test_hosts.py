"""Where an open API may listen, and to which names it answers."""

import pytest

from api.origins import Hosts, OpenApiError, check_open

FOREIGN = [
    "evil.example",
    "evil.example:4000",
    "localhost.evil.example",
    "127.0.0.1.evil.example",
    "192.0.2.7",
    "[2001:db8::1]:4000",
    "",
    "localhost:x",
    "localhost@evil.example",
    "[::1",
    "jobs.example, evil.example",
]


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "localhost"])
def test_without_tokens_this_machine_s_own_addresses_are_allowed(host: str) -> None:
    check_open(host, insecure=False)


@pytest.mark.parametrize(
    "host", ["0.0.0.0", "::", "", "192.0.2.7", "jobs.example", "localhost.example"]
)
def test_without_tokens_any_other_is_refused_unless_the_operator_insists(host: str) -> None:
    with pytest.raises(OpenApiError, match="--tokens-file") as refused:
        check_open(host, insecure=False)
    assert "--insecure" in str(refused.value)
    check_open(host, insecure=True)


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "LOCALHOST:4000",
        "localhost.:4000",
        "127.0.0.1:4000",
        "127.0.0.2",
        "[::1]:4000",
        "[::1]",
        "jobs.example",
        "Jobs.Example:8080",
        "10.1.1.1:4000",
    ],
)
def test_own_names_are_answered(host: str) -> None:
    assert Hosts("10.1.1.1", ["jobs.example"]).accept(host)


@pytest.mark.parametrize("host", FOREIGN)
def test_foreign_names_are_not(host: str) -> None:
    hosts = Hosts("127.0.0.1", ["jobs.example"])
    assert not hosts.accept(host)
    assert not hosts.accept(host)


@pytest.mark.parametrize("bound", ["0.0.0.0", "::"])
def test_whoever_listens_everywhere_is_called_by_any_address_but_by_no_name(bound: str) -> None:
    hosts = Hosts(bound, [])
    assert hosts.accept("192.0.2.7:4000")
    assert hosts.accept("[2001:db8::1]:4000")
    assert not hosts.accept("evil.example")


def test_what_clients_make_up_is_not_remembered_for_ever() -> None:
    hosts = Hosts("127.0.0.1", [])
    for number in range(1_000):
        assert not hosts.accept(f"{number}.example")
    assert hosts.accept("localhost")


@pytest.mark.parametrize("name", ["", "jobs.example:4000", "http://jobs.example", "*"])
def test_an_allowed_host_is_a_name_without_a_port(name: str) -> None:
    with pytest.raises(ValueError, match="--allowed-host"):
        Hosts("127.0.0.1", [name])
