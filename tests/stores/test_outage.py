"""The others hear from the store what the endpoint answers to one process, and leave the endpoint alone."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from statistics import median

import pytest

from support.driver_process import Cache, Reply, Status
from support.mock_server import MockServer
from support.waiting import wait_until

from .processes import Processes
from .topologies import Topology

PROCESSES = 32
CALLERS_WAIT_S = 3
TIMEOUT_MS = 10_000
RECOVERED_S = 1.5
"""How long after the end of the backoff all processes have a token: one request, and the pause of a waiting process."""
OUTAGE_RESPONSES = 10_000
MINUTE_REQUESTS_MAX = 20
WINDOW_S = 6
FIRST_REFUSED_PAUSE_S = 2.5
"""The shortest first pause after a refusal; each that follows is twice as long."""


@dataclass(frozen=True)
class Outcome:
    """The reply to a caller, and how long it waited."""

    reply: Reply
    waited_s: float


def call(cache: Cache) -> Outcome:
    start = time.monotonic()
    reply = cache.get(timeout=TIMEOUT_MS)
    return Outcome(reply, time.monotonic() - start)


@pytest.fixture(autouse=True)
def close_caches(processes: Processes) -> Iterator[None]:
    yield
    processes.close()


def check_all_hear(outcomes: list[Outcome], status: Status, http_status: int, within_s: float) -> None:
    waits_s = [outcome.waited_s for outcome in outcomes]
    print(f"callers waited {min(waits_s):.2f} s to {max(waits_s):.2f} s, in the median {median(waits_s):.2f} s")
    assert {(outcome.reply.status, outcome.reply.fields.get("http_status")) for outcome in outcomes} == {
        (status, str(http_status))
    }
    assert max(waits_s) <= within_s


def share_a_token(processes: Processes, caches: list[Cache]) -> bool:
    replies = processes.at_once(caches, Cache.get)
    return len({reply.fields.get("value") for reply in replies}) == 1 and not any(reply.status for reply in replies)


def check_recovery(processes: Processes, mock_server: MockServer, caches: list[Cache], backoff_s: float) -> None:
    """All processes have the same token soon after the backoff, for one request."""
    before = mock_server.token_requests()
    start = time.monotonic()
    recovered = partial(share_a_token, processes, caches)
    wait_until(recovered, within_s=backoff_s + RECOVERED_S, what="all have the same token")
    print(f"all share a token after {time.monotonic() - start:.2f} s; the backoff was {backoff_s:.2f} s")
    assert mock_server.token_requests() == before + 1


def test_every_caller_hears_of_an_outage(processes: Processes, mock_server: MockServer, store: Topology) -> None:
    mock_server.settings(latency_ms=1_000)
    mock_server.respond(503, count=OUTAGE_RESPONSES)
    caches = processes.caches(PROCESSES, mock_server, **store.config)
    first, later = caches[: PROCESSES // 2], caches[PROCESSES // 2 :]
    check_all_hear(processes.at_once(first, call), Status.UNAVAILABLE, 503, CALLERS_WAIT_S)
    check_all_hear(processes.at_once(later, call), Status.UNAVAILABLE, 503, CALLERS_WAIT_S)
    time.sleep(1)  # the first backoff ends
    outcomes = processes.at_once(caches, call)
    check_all_hear(outcomes, Status.UNAVAILABLE, 503, CALLERS_WAIT_S)
    print(f"{mock_server.token_requests()} requests")
    assert mock_server.counters().token_requests_at_once_max == 1

    mock_server.reset()
    backoff_s = max(outcome.reply.retry_after_ms for outcome in outcomes) / 1000
    check_recovery(processes, mock_server, caches, backoff_s)


def most_refused(seconds: float) -> int:
    """How many requests the backoff lets through in this time, if its pauses are as short as they can be."""
    requests, at_s, pause_s = 0, 0.0, FIRST_REFUSED_PAUSE_S
    while at_s <= seconds:
        requests, at_s, pause_s = requests + 1, at_s + pause_s, pause_s * 2
    return requests


def test_disabled_credentials_cost_few_requests(
    processes: Processes, mock_server: MockServer, store: Topology, rounds: Callable[[int], range]
) -> None:
    assert most_refused(60) < MINUTE_REQUESTS_MAX
    mock_server.credentials(enabled=False)
    caches = processes.caches(PROCESSES, mock_server, **store.config)
    start = time.monotonic()
    for _ in rounds(1):
        end = time.monotonic() + WINDOW_S
        while time.monotonic() < end:
            outcomes = processes.at_once(caches, call)
            check_all_hear(outcomes, Status.UNAUTHENTICATED, 401, CALLERS_WAIT_S)
            time.sleep(0.5)
    requests, passed_s = mock_server.token_requests(), time.monotonic() - start
    print(f"{requests} requests in {passed_s:.0f} s")
    assert requests <= most_refused(passed_s)


def test_nobody_sends_before_the_end_of_retry_after(
    processes: Processes, mock_server: MockServer, store: Topology
) -> None:
    retry_after_s = 3
    mock_server.respond(429, headers={"Retry-After": str(retry_after_s)}, count=1)
    caches = processes.caches(PROCESSES, mock_server, **store.config)
    end = time.monotonic() + retry_after_s
    while time.monotonic() < end - 0.5:
        outcomes = processes.at_once(caches, call)
        check_all_hear(outcomes, Status.RATE_LIMITED, 429, within_s=1)
        assert max(outcome.reply.retry_after_ms for outcome in outcomes) <= retry_after_s * 1000
        time.sleep(0.2)
    assert mock_server.token_requests() == 1
    check_recovery(processes, mock_server, caches, end - time.monotonic())


def test_a_failed_refresh_is_told_to_all_and_fails_no_call(
    processes: Processes, mock_server: MockServer, store: Topology
) -> None:
    mock_server.settings(ttl=4)
    caches = processes.caches(PROCESSES, mock_server, **store.config, refresh_ahead_s=1000)
    start = time.monotonic()
    assert share_a_token(processes, caches)
    mock_server.respond(503, count=OUTAGE_RESPONSES)
    while time.monotonic() < start + 3.5:
        assert share_a_token(processes, caches)
        time.sleep(0.1)
    requests = mock_server.token_requests()
    print(f"{requests - 1} refreshes failed")
    # The first fetch sends 3, then a backoff of at least half a second follows.
    assert 1 < requests <= 1 + 3 + 2
