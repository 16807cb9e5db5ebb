"""Compiles and runs the examples of include/README.md as a reader would, with right and with wrong credentials."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from support.languages import LANGUAGES, LIBRARIES, ROOT, clean_environment
from support.mock_server import MockServer

from .conftest import Require

README = ROOT / "include" / "README.md"
COMPILERS = {"c": ["cc", "-std=c99"], "cpp": ["g++", "-std=c++17"]}
LIMIT_S = 120


@pytest.mark.parametrize("fence", COMPILERS)
def test_runs_example(require: Require, fence: str, mock_server: MockServer, tmp_path: Path) -> None:
    require(LANGUAGES[fence])
    (example,) = re.findall(rf"^```{fence}\n(.*?)^```$", README.read_text(), re.MULTILINE | re.DOTALL)
    source, program = tmp_path / f"example.{fence}", tmp_path / "example"
    source.write_text(example)
    warnings = ["-Wall", "-Wextra", "-Wpedantic", "-Werror"]
    library = [f"-I{ROOT / 'include'}", f"-L{LIBRARIES}", "-lbankhub", f"-Wl,-rpath,{LIBRARIES}"]
    subprocess.run([*COMPILERS[fence], *warnings, source, *library, "-o", program], timeout=LIMIT_S, check=True)

    environment = {**clean_environment(), **mock_server.environment}
    assert run(program, environment) == (0, "generation 1\n", "")
    code, output, error = run(program, {**environment, "BANKHUB_CLIENT_SECRET": "wrong"})
    assert (code, output) == (1, "")
    assert error.startswith("correct the client id and secret: ")
    code, output, error = run(program, {**environment, "BANKHUB_CLIENT_ID": "a:b"})
    assert (code, output) == (1, "")
    assert error.startswith("correct the setting: client_id ")


def run(program: Path, environment: dict[str, str]) -> tuple[int, str, str]:
    """The exit code, the standard output and the standard error."""
    done = subprocess.run([program], env=environment, capture_output=True, text=True, timeout=LIMIT_S, check=False)
    return done.returncode, done.stdout, done.stderr
