"""The cost of a call while there is a token, next to the least that it can cost and to other ways to keep a token.

Prints a table. Ends with code 1 if a call costs more than promised. With `--tiny`: too few calls to say anything.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence

from bounds import Bound, judge
from rounds import ByThreads, Collected, collect, cost_on, noise, ratio_on
from ways import Ways

from support.languages import LIBRARIES

CLOCKS = "limit: both coarse clocks"
LIMIT = "limit: both coarse clocks and a copy"
GENERATION, GET = "`bankhub_token_generation`, C", "`bankhub_token_get`, C"
GET_WITH_STORE, GET_RUST = "`bankhub_token_get`, C, with a store", "`TokenCache::get`, Rust"

SLICES = {1: (100, 50e-6), 2: (20, 1e-3), 8: (4, 5e-3)}
"""For each count of threads: slices in a round, and seconds of each way in a slice. The cost of a lock on more threads
than processors shows only if the scheduler changes threads meanwhile."""

COMPARED = (1, 2)
"""The counts of threads that a bound is about: noise counts there."""


def main() -> int:
    tiny = "--tiny" in sys.argv[1:]
    with Ways([str(LIBRARIES / "hot")], {}) as ways:
        rounds = measured(ways, tiny)
        names = ways.names
    limit = names.index(LIMIT)
    print(f"| ns a call, on this many threads | {' | '.join(map(str, SLICES))} | times the limit |")
    print("|---|" + "--:|" * (len(SLICES) + 1))
    for way, name in enumerate(names):
        costs = [rounds.median(cost_on(threads, way)) for threads in SLICES]
        times = rounds.median(ratio_on(1, way, limit))
        print(f"| {name} | {' | '.join(f'{ns:.1f}' for ns in costs)} | {times:.2f} |")
    print(f"\n{rounds}")
    return 0 if tiny else judge(bounds(rounds, names))


def measured(ways: Ways, tiny: bool) -> Collected[ByThreads]:
    """The machine may be busier in the next round: what is compared, is compared within one."""
    baseline = ways.names.index(LIMIT)

    def one_round() -> ByThreads:
        if tiny:
            return {threads: ways.round(threads, slices=2, batch_s=10e-6) for threads in SLICES}
        return {threads: ways.round(threads, slices, batch_s) for threads, (slices, batch_s) in SLICES.items()}

    def noise_of(one: ByThreads) -> float:
        return max(noise(one[threads], baseline) for threads in COMPARED)

    count = 3 if tiny else 31
    return collect(one_round, noise_of, count=count, repeats_max=count)


def bounds(rounds: Collected[ByThreads], names: Sequence[str]) -> list[Bound]:
    """The promises about a call."""

    def times(way: str, baseline: str, threads: int = 1) -> Callable[[ByThreads], float]:
        return ratio_on(threads, names.index(way), names.index(baseline))

    def more_on_two(one: ByThreads) -> float:
        return times(GET, LIMIT, threads=2)(one) / times(GET, LIMIT)(one)

    return [
        Bound("bankhub_token_get over the limit", rounds.median(times(GET, LIMIT)), 1.6),
        Bound("bankhub_token_generation over both clocks", rounds.median(times(GENERATION, CLOCKS)), 1.3),
        Bound("bankhub_token_get over the limit, on two threads over on one", rounds.median(more_on_two), 1.15),
        Bound("bankhub_token_get with a store over without", rounds.median(times(GET_WITH_STORE, GET)), 1.05),
        Bound("TokenCache::get from Rust over bankhub_token_get from C", rounds.median(times(GET_RUST, GET)), 2.5),
    ]


if __name__ == "__main__":
    sys.exit(main())
