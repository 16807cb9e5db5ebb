"""Runs the measurements of a make target and writes their tables into docs/performance.md: `performance.py TARGET`.

Each program has a section between marks of its own, with the machine and the date of the run. Every program runs, and
its tables are written even if it missed what is promised: what it missed is listed at the end, and the code is 1. The
section of a program that failed stays as it is.
"""

from __future__ import annotations

import datetime
import os
import platform
import re
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

from bounds import MISSED

ROOT = Path(__file__).resolve().parent.parent
DOCUMENT = ROOT / "docs/performance.md"
PYTHON = str(ROOT / ".venv/bin/python")
LIBRARIES, BENCHES = "target/release", "benches"

PROGRAMS: Mapping[str, Mapping[str, Sequence[str]]] = {
    "bench": {
        "bench: hot": [PYTHON, f"{BENCHES}/hot/hot.py"],
        "bench: waits": [PYTHON, f"{BENCHES}/waits/waits.py"],
        "bench: handles": [f"{LIBRARIES}/handles"],
        "bench: first token": [PYTHON, f"{BENCHES}/first_token/first_token.py"],
        "bench: python": [PYTHON, f"{BENCHES}/wrappers/wrappers.py", "python"],
        "bench: go": [PYTHON, f"{BENCHES}/wrappers/wrappers.py", "go"],
        "bench: csharp": [PYTHON, f"{BENCHES}/wrappers/wrappers.py", "csharp"],
    },
    "fleet": {"fleet": [f"{LIBRARIES}/fleet"]},
    "shared": {"shared": [f"{LIBRARIES}/fleet", "--shared"]},
    "comparison": {
        "comparison": [PYTHON, f"{BENCHES}/comparison/comparison.py", "--plot", "docs/refresh-latency.svg"],
    },
}
"""For each target, its programs by the mark of their section."""


def main(programs: Mapping[str, Sequence[str]]) -> int:
    """0 if every program ended well and kept what is promised."""
    problems: list[str] = []
    for mark in programs:
        with_section(DOCUMENT.read_text(), mark, "")  # or it would fail after all the measuring
    for mark, command in programs.items():
        printed, missed, code = run(command)
        if code == 0 or (code == 1 and missed):
            problems += [f"{mark}: {what}" for what in missed]
            if printed.strip():
                content = f"{printed.strip()}\n\n{where_and_when()}"
                DOCUMENT.write_text(with_section(DOCUMENT.read_text(), mark, content))
        else:
            problems.append(f"{mark}: it failed with code {code}, so its section of {DOCUMENT.name} stays as it was")
    if problems:
        print("\nNot as promised:", *problems, sep="\n", file=sys.stderr)
    return 1 if problems else 0


def run(command: Sequence[str]) -> tuple[str, list[str], int]:
    """The program's output, the promises that it missed, and its code. All it writes is shown at once."""
    with subprocess.Popen(
        command, cwd=ROOT, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8"
    ) as process:
        assert process.stdout is not None and process.stderr is not None
        errors: list[str] = []
        reader = threading.Thread(target=lambda: errors.extend(echoed(process.stderr, sys.stderr)))
        reader.start()
        printed = "".join(echoed(process.stdout, sys.stdout))
        reader.join()
    return printed, [line[len(MISSED) :].strip() for line in errors if line.startswith(MISSED)], process.returncode


def echoed(lines: IO[str] | None, to: IO[str]) -> list[str]:
    """The lines, each of which was written there, too."""
    kept = []
    for line in lines or ():
        print(line, end="", file=to, flush=True)
        kept.append(line)
    return kept


def environment() -> dict[str, str]:
    """The caller's, in which a program finds our modules and the library of this tree."""
    modules = ("benches", "tests", "bindings/python/src")
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(str(ROOT / folder) for folder in modules),
        "BANKHUB_LIBRARY": str(ROOT / "target/release/libbankhub.so.0"),
    }


def with_section(text: str, mark: str, content: str) -> str:
    """The text with this between the marks of the section."""
    begin, end = f"<!-- make {mark} -->", f"<!-- end of make {mark} -->"
    if text.count(begin) != 1 or text.count(end) != 1:
        raise SystemExit(f"{DOCUMENT.name} has no place for it: add one line {begin} and one line {end}")
    before, after = text.index(begin) + len(begin), text.index(end)
    return f"{text[:before]}\n{content}\n{text[after:]}"


def where_and_when() -> str:
    """The machine and the date of the run, in a sentence."""
    today = datetime.date.today().isoformat()
    return f"`make` wrote this on {today}: {processor()}, {os.cpu_count()} processors, {platform.system()} {kernel()}."


def processor() -> str:
    """Its name, as far as the system says."""
    names = re.findall(r"^model name\s*: (.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    return names[0] if names else platform.machine()


def kernel() -> str:
    """Its version, without what a distribution adds."""
    return ".".join(platform.release().split("-")[0].split(".")[:2])


if __name__ == "__main__":
    sys.exit(main(PROGRAMS[sys.argv[1]]))
