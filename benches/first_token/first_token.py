"""From dlopen to the first token, over plain HTTP and over TLS, next to curl doing the same.

Prints a table. With `--tiny`: few rounds, for a test.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from support.languages import BUILD, LIBRARIES
from support.mock_server import CLIENT_ID, CLIENT_SECRET, MockServer

PROGRAM = [str(BUILD / "bench-first-token"), str(LIBRARIES / "libbankhub.so")]
CURL = ["curl", "--silent", "--show-error", "--fail", "--noproxy", "*", "--user", f"{CLIENT_ID}:{CLIENT_SECRET}"]
ENVIRONMENT = {**os.environ, "BANKHUB_CLIENT_ID": CLIENT_ID, "BANKHUB_CLIENT_SECRET": CLIENT_SECRET}


WAYS = ["from `dlopen` to the token", "the same, as a whole process", "`curl`, a whole process"]


def main() -> None:
    """In each round every program runs once with each protocol, one right after the other."""
    rounds = 3 if "--tiny" in sys.argv[1:] else 51
    with tempfile.TemporaryDirectory() as folder:
        mock_server = MockServer(ca_file=Path(folder) / "ca.pem")
        servers = [(mock_server.url, []), (mock_server.tls["right"], [str(mock_server.ca_file)])]
        measured = [[measure(url, ca_file) for url, ca_file in servers] for _ in range(rounds)]
        mock_server.kill()
    print("| from nothing to a token, median of each | plain HTTP | TLS |\n|---|--:|--:|")
    for way, name in enumerate(WAYS):
        medians = [statistics.median(one_round[server][way] for one_round in measured) for server in (0, 1)]
        print(f"| {name} | {' | '.join(f'{seconds * 1e3:.1f} ms' for seconds in medians)} |")


def measure(url: str, ca_file: list[str]) -> list[float]:
    """How many seconds each way took."""
    said, whole = timed([*PROGRAM, url, *ca_file])
    trusted = ["--cacert", *ca_file] if ca_file else []
    return [int(said) / 1e6, whole, timed([*CURL, *trusted, "--request", "POST", f"{url}/v1/token"])[1]]


def timed(command: list[str]) -> tuple[str, float]:
    """Its output, and how many seconds it took."""
    begun = time.monotonic()
    said = subprocess.run(command, env=ENVIRONMENT, stdout=subprocess.PIPE, check=True).stdout
    return said.decode(), time.monotonic() - begun


if __name__ == "__main__":
    main()
