"""When a failed attempt is tried again."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.jobs.policies import RetryPolicy
from domain.json_values import JsonObject

FIXED = RetryPolicy(strategy="fixed", initial_delay_ms=1_000, max_delay_ms=10_000)
EXPONENTIAL = RetryPolicy(strategy="exponential", initial_delay_ms=1_000, max_delay_ms=10_000)


def nothing() -> float:
    return 0.0


def nearly_one() -> float:
    return 1 - 2**-53


def test_without_a_policy_there_is_one_attempt() -> None:
    assert RetryPolicy.from_json(None) == RetryPolicy.from_json({}) == RetryPolicy()
    assert RetryPolicy().max_attempts == 1


def test_a_policy_is_read_from_the_clients_names() -> None:
    given_fields: JsonObject = {
        "maxAttempts": 4,
        "strategy": "exponential",
        "initialDelayMs": 5,
        "maxDelayMs": 50,
        "jitter": "equal",
    }
    policy = RetryPolicy.from_json(given_fields)
    assert policy == RetryPolicy(4, "exponential", 5, 50, "equal")


def test_a_null_in_a_policy_means_the_default() -> None:
    assert (
        RetryPolicy.from_json(
            dict.fromkeys(("maxAttempts", "strategy", "initialDelayMs", "jitter"))
        )
        == RetryPolicy()
    )


def test_a_delay_of_zero_is_kept() -> None:
    assert (
        RetryPolicy.from_json({"strategy": "fixed", "initialDelayMs": 0}).delay_ms(1, nothing) == 0
    )


@pytest.mark.parametrize("attempt", [1, 2, 9])
def test_strategy_none_retries_without_delay(attempt: int) -> None:
    assert (
        RetryPolicy(strategy="none", initial_delay_ms=1_000, jitter="equal").delay_ms(
            attempt, nearly_one
        )
        == 0
    )


def test_fixed_waits_always_the_same() -> None:
    assert [FIXED.delay_ms(attempt, nothing) for attempt in (1, 2, 9)] == [1_000, 1_000, 1_000]


def test_exponential_doubles_up_to_the_longest_delay() -> None:
    assert [EXPONENTIAL.delay_ms(attempt, nothing) for attempt in range(1, 7)] == [
        *(1_000, 2_000, 4_000),
        *(8_000, 10_000, 10_000),
    ]


@pytest.mark.parametrize(
    ("jitter", "random", "delay"),
    [
        ("none", 0.5, 1_000),
        ("full", 0.0, 0),
        ("full", 0.5, 500),
        ("full", 0.9999, 999),
        ("equal", 0.0, 500),
        ("equal", 0.5, 750),
        ("equal", 0.9999, 999),
    ],
)
def test_jitter_spreads_the_delay(jitter: str, random: float, delay: int) -> None:
    policy = RetryPolicy(strategy="fixed", initial_delay_ms=1_000, jitter=jitter)
    assert policy.delay_ms(1, lambda: random) == delay


@given(
    strategy=st.sampled_from(["none", "fixed", "exponential"]),
    jitter=st.sampled_from(["none", "full", "equal"]),
    attempt=st.integers(1, 10),
    first=st.integers(0, 86_400_000),
    longest=st.integers(0, 86_400_000),
    random=st.floats(0, 1, exclude_max=True),
)
def test_no_delay_is_negative_or_longer_than_the_longest(
    strategy: str, jitter: str, attempt: int, first: int, longest: int, random: float
) -> None:
    policy = RetryPolicy(10, strategy, first, longest, jitter)
    assert 0 <= policy.delay_ms(attempt, lambda: random) <= longest


def test_the_first_delay_may_not_exceed_the_longest() -> None:
    (issue,) = RetryPolicy.from_json({"initialDelayMs": 11, "maxDelayMs": 10}).issues()
    assert (issue.path, issue.keyword) == ("/retryPolicy/initialDelayMs", "maximum")


@pytest.mark.parametrize(
    "policy", [None, {}, {"initialDelayMs": 10, "maxDelayMs": 10}, {"initialDelayMs": 86_400_000}]
)
def test_a_first_delay_up_to_the_longest_is_fine(policy: dict[str, int | str] | None) -> None:
    assert RetryPolicy.from_json(policy).issues() == []


def test_a_longest_delay_below_the_default_first_one_shortens_it() -> None:
    assert RetryPolicy.from_json({"maxDelayMs": 999}).issues() == []
    assert (
        RetryPolicy.from_json({"maxDelayMs": 999, "strategy": "fixed"}).delay_ms(1, lambda: 0.0)
        == 999
    )
