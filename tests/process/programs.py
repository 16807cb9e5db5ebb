"""Builds and runs the C programs and Python scripts of this folder with a deadline, and parses their output."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from support.languages import HEADER, LIBRARIES, ROOT, clean_environment
from support.mock_server import MockServer

HERE = Path(__file__).resolve().parent
COMPILER = [os.environ.get("CC", "cc"), "-std=c11", "-O1", "-Wall", "-Wextra", "-Wpedantic", "-Werror"]
LINK = [f"-L{LIBRARIES}", "-lbankhub", f"-Wl,-rpath,{LIBRARIES}"]
LIMIT_S = 60


class Output:
    """The output of a program. Each line is a word that names it, and values."""

    def __init__(self, output: str) -> None:
        self._lines = [line.split(" ") for line in output.splitlines()]

    def lines(self, *words: str) -> list[list[str]]:
        """The values of every line with one of these names."""
        return [values for word, *values in self._lines if word in words]

    def line(self, word: str) -> list[str]:
        """The values of the only line with this name."""
        [values] = self.lines(word)
        return values

    def words(self) -> set[str]:
        return {word for word, *_ in self._lines}


class Programs:
    """Builds each program once, in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._no_roots = folder / "no-roots.pem"
        self._no_roots.touch()

    def c(
        self,
        name: str,
        *words: object,
        mock_server: MockServer,
        base_url: str = "",
        ca_file: str = "",
        tunables: str = "",
    ) -> Output:
        """Runs `name`.c, linked with the library, with the mock server. `tunables` are those of glibc."""
        environment = {**self._environment(mock_server, base_url, ca_file), "GLIBC_TUNABLES": tunables}
        return Output(self._run([str(self._built(name, LINK)), *map(str, words)], environment))

    def c_without_library(self, name: str, *words: object, mock_server: MockServer) -> Output:
        """Runs `name`.c, not linked with the library."""
        return Output(self._run([str(self._built(name, [])), *map(str, words)], self._environment(mock_server)))

    def python(self, script: str, *words: object, mock_server: MockServer) -> Output:
        """Runs a script of this folder, which imports the package as a user's program does."""
        return Output(self._run(self.python_command(script, *words), self.python_environment(mock_server)))

    def python_command(self, script: str, *words: object) -> list[str]:
        # From Python 3.12 on, os.fork warns in any process with threads.
        return [sys.executable, "-W", "ignore:This process:DeprecationWarning", str(HERE / script), *map(str, words)]

    def python_environment(self, mock_server: MockServer) -> dict[str, str]:
        return {**self._environment(mock_server), "PYTHONPATH": str(ROOT / "bindings/python/src")}

    def _environment(self, mock_server: MockServer, base_url: str = "", ca_file: str = "") -> dict[str, str]:
        named = {"BANKHUB_CA_FILE": ca_file} if ca_file else {}
        return {
            **clean_environment(),
            **mock_server.environment,
            "BANKHUB_BASE_URL": base_url or mock_server.url,
            "SSL_CERT_FILE": str(self._no_roots),  # hundreds of processes start faster without the system's roots
            **named,
        }

    def _built(self, name: str, link: list[str]) -> Path:
        program = self._folder / name
        if not program.exists():
            source = [str(HERE / f"{name}.c"), f"-I{HEADER.parent}", "-o", str(program)]
            subprocess.run([*COMPILER, *source, *link, "-pthread", "-ldl"], check=True)
        return program

    def _run(self, command: list[str], environment: Mapping[str, str]) -> str:
        """Returns the output. The program must end in time, with code 0, and write nothing to its standard error."""
        process = subprocess.Popen(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        try:
            output, errors = process.communicate(timeout=LIMIT_S)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            output, errors = process.communicate()
            raise AssertionError(f"{command} did not end within {LIMIT_S} s: {output[-1000:]}{errors}") from None
        assert (process.returncode, errors) == (0, ""), f"{command}: code {process.returncode}: {errors}"
        return output
