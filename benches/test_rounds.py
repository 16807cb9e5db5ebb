"""How ways are compared: with invented numbers, on a machine that is as noisy as the test wants it."""

from __future__ import annotations

import itertools

import hot
import pytest
import waits
from rounds import Collected, Round, collect, cost, noise, ratio
from ways import Ways

A, B = 0, 1


def test_a_machine_that_slows_down_within_a_round_spoils_no_ratio() -> None:
    # B takes 1.2 times as long as A. A neighbour takes half of the processor, for more and more of the round.
    for slow in range(11):
        one_round = [[10.0, 12.0]] * (10 - slow) + [[20.0, 24.0]] * slow
        assert ratio(one_round, B, A) == pytest.approx(1.2)


def test_a_change_in_the_middle_of_a_slice_spoils_no_ratio() -> None:
    one_round = [[10.0, 12.0], [10.0, 24.0], [20.0, 24.0]]
    assert cost(one_round, B) / cost(one_round, A) == pytest.approx(2.4)
    assert ratio(one_round, B, A) == pytest.approx(1.2)


def test_a_window_for_each_way_would_have_spoiled_it() -> None:
    quiet_then_busy = [[10.0, 24.0]]
    assert ratio(quiet_then_busy, B, A) == pytest.approx(2.4), "what used to be measured, and why there are slices"


def test_a_hiccup_in_a_slice_moves_neither_cost_nor_ratio() -> None:
    one_round = [[10.0, 12.0]] * 4 + [[10.0, 4000.0]]
    assert cost(one_round, B) == 12
    assert ratio(one_round, B, A) == pytest.approx(1.2)


def test_noise_is_what_the_baseline_differs_from_itself() -> None:
    assert noise([[10.0, 1], [10.0, 9], [10.0, 1], [10.0, 9]], A) == 0, "what the others do does not count"
    assert noise([[10.0], [11.0], [10.0], [11.0]], A) == pytest.approx(0.1)
    assert noise([[11.0], [10.0], [11.0], [10.0]], A) == pytest.approx(0.1), "whichever half is slower"


def collected(noises: list[float], *, count: int, repeats_max: int) -> tuple[Collected[float], int]:
    """From rounds as noisy as that, each of which is its noise; and how many were measured."""
    measured = iter(noises)
    result = collect(lambda: next(measured), lambda one: one, count=count, repeats_max=repeats_max)
    return result, len(noises) - len(list(measured))


def test_a_noisy_round_is_measured_again() -> None:
    result, measured = collected([0.01, 0.06, 0.02, 0.5, 0.05, 0.03], count=3, repeats_max=9)
    assert result.rounds == [0.01, 0.02, 0.05]
    assert (result.repeated, result.noisy, measured) == (2, 0, 5)
    assert str(result) == "3 rounds, 2 more measured again as too noisy."


def test_noisy_rounds_count_once_all_repeats_are_used_up() -> None:
    result, measured = collected([0.9, 0.8, 0.7, 0.01, 0.6], count=3, repeats_max=2)
    assert result.rounds == [0.7, 0.01, 0.6]
    assert (result.repeated, result.noisy, measured) == (2, 2, 5)
    assert str(result).endswith("; 2 of the 3 are noisy all the same.")


def test_a_run_is_the_median_of_its_rounds() -> None:
    rounds: list[Round] = [[[10.0, 12.0]], [[10.0, 13.0]], [[10.0, 99.0]]]
    run = Collected(rounds, repeated=0, noisy=0)
    assert run.median(lambda one: ratio(one, B, A)) == pytest.approx(1.3)


class FakeProcess:
    """Answers as a program with two ways would, of which one takes 10 ns a call and the other 1000."""

    def __init__(self) -> None:
        self.asked: list[list[int]] = []

    def write(self, line: str) -> None:
        self.asked.append([int(word) for word in line.split()])

    def read(self, deadline_s: float) -> str:
        slices = self.asked[-1][1]
        return str([[10.0, 1000.0]] * slices)


def test_each_way_runs_for_the_same_time_and_the_first_slice_warms_up() -> None:
    process = FakeProcess()
    ways = object.__new__(Ways)
    ways.__dict__.update(_process=process, names=["a", "b"], _calls={})
    assert ways.round(threads=1, slices=5, batch_s=50e-6) == [[10.0, 1000.0]] * 5
    assert process.asked[-1] == [1, 6, 5000, 50]
    before = len(process.asked)
    ways.round(threads=1, slices=5, batch_s=50e-6)
    assert len(process.asked) == before + 1, "how often to call is found out once"


def test_a_call_is_judged_within_its_round() -> None:
    names = [hot.CLOCKS, hot.LIMIT, hot.GENERATION, hot.GET, hot.GET_WITH_STORE, hot.GET_RUST]
    costs = [10.0, 10.0, 12.0, 14.0, 14.0, 35.0]
    # The machine is twice as slow in every other round, and three times with two threads.
    rounds = [
        {threads: [[slow * times * ns for ns in costs]] for threads, times in ((1, 1), (2, 3), (8, 9))}
        for slow in itertools.islice(itertools.cycle([1, 2]), 5)
    ]
    judged = hot.bounds(Collected(rounds, repeated=0, noisy=0), names)
    assert [round(bound.value, 3) for bound in judged] == [1.4, 1.2, 1, 1, 2.5]
    assert not any(bound.missed for bound in judged)


def waited(answer: float, condvar: float) -> waits.Numbers:
    return {"answer": answer, "condvar": [condvar, condvar]}


@pytest.mark.parametrize(
    ("answer", "condvar", "missed"),
    [(1900, 1100, False), (2100, 900, True), (2100, 100, True), (5900, 3000, False), (6100, 3000, True)],
)
def test_callers_wait_longer_only_where_a_condvar_takes_longer(answer: float, condvar: float, missed: bool) -> None:
    calls = {"with": [[1.0], [1.0]], "without": [[1.0], [1.0]]}
    wake, _ = waits.bounds(Collected([waited(answer, condvar)], 0, 0), Collected([calls], 0, 0))
    assert wake.missed == missed


def test_what_refreshes_add_is_judged_within_a_round() -> None:
    busy = {"with": [[5000.0, 5100.0]], "without": [[5000.0, 4950.0]]}
    quiet = {"with": [[100.0, 260.0]], "without": [[100.0, 100.0]]}
    _, added = waits.bounds(Collected([waited(1, 1)], 0, 0), Collected([busy, quiet, quiet], 0, 0))
    assert added.value == 160
    assert waits.calls_noise({"without": [[1.0], [9.0], [1.0], [9.0]]}) == 8
