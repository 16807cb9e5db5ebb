"""The cost that a wrapper adds to a call, next to its language's other ways to a token: `wrappers.py python|go|csharp`.

Prints a table, or nothing where this machine lacks the language. Ends with code 1 if the wrapper costs more than
promised. With `--tiny`: too few calls to say anything.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from bounds import Bound, judge
from rounds import ByThreads, Collected, collect, cost_on, noise, ratio_on
from ways import Ways

from support.languages import BUILD
from support.mock_server import MockServer

SLICES, BATCH_S = 20, 0.5e-3
SWITCHED_SLICES, SWITCHED_BATCH_S = 4, 20e-3
"""CPython switches between threads every 5 ms."""

THREADS = (1, 2)
HERE = Path(__file__).resolve().parent


def main(language: str, *, tiny: bool) -> int:
    command = commands().get(language)
    if not command:
        print(f"{language}: not on this machine, or not built", file=sys.stderr)
        return 0
    mock_server = MockServer()
    try:
        with Ways(command, mock_server.environment) as ways:
            rounds = measured(ways, language, tiny)
            runtime = ways.facts["runtime"]
            print(f"| ns a call, {runtime}, on this many threads | {' | '.join(map(str, THREADS))} |\n|---|--:|--:|")
            for way, name in enumerate(ways.names):
                costs = [rounds.median(cost_on(threads, way)) for threads in THREADS]
                print(f"| {name} | {' | '.join(f'{ns:.1f}' for ns in costs)} |")
            print(f"\n{rounds}")
            return 0 if tiny else judge(bounds(rounds, language, ways))
    finally:
        mock_server.kill()


def commands() -> dict[str, Sequence[str]]:
    """The programs of those languages that this machine has."""
    found: dict[str, Sequence[str]] = {"python": [sys.executable, str(HERE / "ways_python.py")]}
    go, csharp = BUILD / "bench-go", BUILD / "bench-csharp.exe"
    if go.exists():
        found["go"] = [str(go)]
    if csharp.exists() and shutil.which("dotnet"):
        found["csharp"] = ["dotnet", "exec", "--runtimeconfig", str(HERE / "core.json"), str(csharp)]
    elif csharp.exists():
        found["csharp"] = ["mono", str(csharp)]
    return found


def measured(ways: Ways, language: str, tiny: bool) -> Collected[ByThreads]:
    """The first peer is what the wrapper is compared with."""
    baseline = 1

    def one_round() -> ByThreads:
        if tiny:
            return {threads: ways.round(threads, slices=2, batch_s=10e-6) for threads in THREADS}
        switched = language == "python"
        return {
            1: ways.round(1, SLICES, BATCH_S),
            2: ways.round(2, *((SWITCHED_SLICES, SWITCHED_BATCH_S) if switched else (SLICES, BATCH_S))),
        }

    count = 3 if tiny else 15
    return collect(one_round, lambda one: noise(one[1], baseline), count=count, repeats_max=count)


def bounds(rounds: Collected[ByThreads], language: str, ways: Ways) -> Sequence[Bound]:
    """The promise about the wrapper's `get`, which is the first way."""

    def of(peer: int, threads: int = 1) -> float:
        return rounds.median(ratio_on(threads, 0, peer))

    if language == "python":
        return [
            Bound("Python's get over authlib's check", of(1), 0.85),
            Bound("Python's get over google-auth's check", of(2), 0.2),
        ]
    if language == "go":
        return [
            Bound("Go's Get over oauth2's", of(1), 0.75),
            Bound("Go's Get over oauth2's, on two goroutines", of(1, threads=2), 0.4),
            Bound("allocations of Go's Get", ways.facts["allocations"], 0),
        ]
    if ways.facts["runtime"] == "Mono":
        return []  # the promise is about CoreCLR
    return [Bound("C#'s Get over a lock", of(1), 1)]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], tiny="--tiny" in sys.argv[2:]))
