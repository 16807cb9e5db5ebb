"""Runs a measurement and writes its tables into the README: `performance.py SECTION COMMAND...`.

What the command prints goes between the marks of that section, with the machine and the date of the run. If the
command fails, the README stays as it is.
"""

from __future__ import annotations

import datetime
import os
import platform
import re
import subprocess
import sys
from pathlib import Path

README = Path(__file__).resolve().parent.parent / "README.md"


def main(section: str, command: list[str]) -> int:
    """The code that the command ended with."""
    run = subprocess.run(command, stdout=subprocess.PIPE, text=True)
    print(run.stdout, end="")
    if run.returncode == 0:
        README.write_text(with_section(README.read_text(), section, f"{run.stdout.strip()}\n\n{where_and_when()}"))
    return run.returncode


def with_section(text: str, section: str, content: str) -> str:
    """The text with this between the marks of the section."""
    begin, end = f"<!-- make {section} -->", f"<!-- end of make {section} -->"
    if text.count(begin) != 1 or text.count(end) != 1:
        raise SystemExit(f"README.md has no place for it: it takes one line {begin} and one line {end}")
    before, after = text.index(begin) + len(begin), text.index(end)
    return f"{text[:before]}\n{content}\n{text[after:]}"


def where_and_when() -> str:
    """The machine and the date of the run, in a sentence."""
    today = datetime.date.today().isoformat()
    return f"`make` wrote this on {today}: {processor()}, {os.cpu_count()} processors, {platform.system()} {kernel()}."


def processor() -> str:
    """Its name, as far as the system tells."""
    names = re.findall(r"^model name\s*: (.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    return names[0] if names else platform.machine()


def kernel() -> str:
    """Its version, without what a distribution adds."""
    return ".".join(platform.release().split("-")[0].split(".")[:2])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
