"""From dlopen to the first token, over plain HTTP and over TLS, beside curl doing the same; as a table.

With `--tiny`: few rounds, for a test.
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


def main() -> None:
    """Prints the table."""
    rounds = 3 if "--tiny" in sys.argv[1:] else 51
    with tempfile.TemporaryDirectory() as folder:
        mock_server = MockServer(ca_file=Path(folder) / "ca.pem")
        print("| from nothing to a token, median of each | plain HTTP | TLS |")
        print("|---|--:|--:|")
        over = [(mock_server.url, []), (mock_server.tls["right"], [str(mock_server.ca_file)])]
        measured = [measure(url, ca, rounds) for url, ca in over]
    for row, name in enumerate(
        ["from `dlopen` to the token", "the same, as a whole process", "`curl`, a whole process"]
    ):
        print(f"| {name} | " + " | ".join(f"{column[row] * 1e3:.1f} ms" for column in measured) + " |")
    mock_server.kill()


def measure(url: str, ca_file: list[str], rounds: int) -> list[float]:
    """The medians, in seconds; the programs take turns."""
    trusted = ["--cacert", *ca_file] if ca_file else []
    inside, whole, curl = [], [], []
    for _ in range(rounds):
        said, took = timed([*PROGRAM, url, *ca_file])
        inside.append(int(said) / 1e6)
        whole.append(took)
        curl.append(timed([*CURL, *trusted, "--request", "POST", f"{url}/v1/token"])[1])
    return [statistics.median(times) for times in (inside, whole, curl)]


def timed(command: list[str]) -> tuple[str, float]:
    """What it said, and how many seconds it took."""
    begun = time.monotonic()
    said = subprocess.run(command, env=ENVIRONMENT, stdout=subprocess.PIPE, check=True).stdout
    return said.decode(), time.monotonic() - begun


if __name__ == "__main__":
    main()
