"""Reads how many tests passed from what each runner writes for machines: JUnit XML, or a JSON object a line."""

from __future__ import annotations

import functools
import json
import xml.etree.ElementTree as ET
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Callable, NamedTuple


class Tally(NamedTuple):
    """How many tests ended how."""

    passed: int = 0
    failed: int = 0
    skipped: int = 0

    def plus(self, other: Tally) -> Tally:
        """Both together."""
        return Tally(self.passed + other.passed, self.failed + other.failed, self.skipped + other.skipped)

    def __str__(self) -> str:
        return f"{self.passed} passed, {self.failed} failed" + (f", {self.skipped} skipped" if self.skipped else "")


def total(tallies: Iterable[Tally]) -> Tally:
    """All together."""
    return functools.reduce(Tally.plus, tallies, Tally())


class Results(NamedTuple):
    """The tests of one run, what a person has to read if some of them failed, and what in any case."""

    tally: Tally
    text: str
    notes: tuple[str, ...] = ()


Reader = Callable[[str, Path], Results]
"""Takes what a runner printed, and the file that it may have written."""


def junit(printed: str, report: Path) -> Results:
    """JUnit XML, which pytest and our own runners write. A test with several entries counts once, by its worst."""
    ends: dict[tuple[str, str], int] = defaultdict(int)
    for case in cases(report):
        test = (case.get("classname", ""), case.get("name", ""))
        children = {child.tag for child in case}
        ends[test] = max(ends[test], 2 if children & {"failure", "error"} else 1 if "skipped" in children else 0)
    count = Counter(ends.values())
    return Results(Tally(count[0], count[2], count[1]), printed)


def cases(report: Path) -> Iterable[ET.Element]:
    """None from a report that is absent or that was not written to its end."""
    try:
        return list(ET.parse(report).iter("testcase"))
    except (FileNotFoundError, ET.ParseError):
        return []


def libtest(printed: str, _report: Path) -> Results:
    """Rust's `--format json`: an event a line. A test that began and never ended has failed."""
    begun = 0
    notes: list[str] = []
    ends: list[str] = []
    texts: list[str] = []
    for event in events(printed, texts):
        if (event.get("type"), event.get("event")) == ("suite", "started"):
            begun += event["test_count"]
        elif event.get("type") == "test" and event["event"] in ("ok", "failed", "ignored"):
            ends.append(event["event"])
            notes += [line for line in event.get("stdout", "").splitlines() if line.startswith("checked: ")]
        if event.get("event") == "failed" and "name" in event:
            texts.append(f"--- {event['name']}\n{event.get('stdout', '')}")
    unfinished = max(0, begun - len(ends))
    tally = Tally(ends.count("ok"), ends.count("failed") + unfinished, ends.count("ignored"))
    return Results(tally, "\n".join(texts), tuple(notes))


def go_test(printed: str, _report: Path) -> Results:
    """`go test -json`: an event a line. Tests within a test count, too; the text leaves out the tests that passed."""
    ends: dict[tuple[str, str], str] = {}
    outputs: dict[tuple[str, str], str] = defaultdict(str)
    texts: list[str] = []
    for event in events(printed, texts):
        test = (event.get("Package", event.get("ImportPath", "")), event.get("Test", ""))
        outputs[test] += event.get("Output", "")
        if event["Action"] in ("pass", "fail", "skip") and test[1]:
            ends[test] = event["Action"]
    count = Counter(ends.values())
    texts += [output for test, output in outputs.items() if ends.get(test) != "pass"]
    return Results(Tally(count["pass"], count["fail"], count["skip"]), "\n".join(texts))


def events(printed: str, others: list[str]) -> Iterator[dict[str, Any]]:
    """The lines that are JSON objects; any other line is added to `others`."""
    for line in printed.splitlines():
        try:
            event = json.loads(line) if line.startswith("{") else None
        except ValueError:
            event = None
        if event is None:
            others.append(line)
        else:
            yield event
