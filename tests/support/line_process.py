"""A child process that exchanges lines. Every read has a deadline, so a child that hangs fails its test."""

from __future__ import annotations

import contextlib
import os
import queue
import re
import subprocess
import tempfile
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Optional

STDERR_LIMIT_BYTES = 65536


class ProcessFailed(AssertionError):
    """The child ended, sent no reply in time, or ended with a code other than 0."""


class ProcessHung(ProcessFailed):
    """The child sent nothing in time; it was killed."""


class LineProcess:
    """Starts `command`; `read` and `write` exchange lines with it."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str]) -> None:
        self._stderr: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - is open as long as the child runs
        self._process = subprocess.Popen(
            command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._stderr
        )
        self._lines: queue.Queue[Optional[bytes]] = queue.Queue()
        threading.Thread(target=self._collect, daemon=True).start()

    def write(self, line: str) -> None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(line.encode() + b"\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise ProcessFailed(f"ended before the request {line.split(' ')[0]!r}{self._stderr_note()}") from None

    def read(self, deadline_s: float) -> str:
        try:
            line = self._lines.get(timeout=deadline_s)
        except queue.Empty:
            self.kill()
            raise ProcessHung(f"hung: no reply within {deadline_s:g} s{self._stderr_note()}") from None
        if line is None:
            code = self._process.wait(deadline_s)
            raise ProcessFailed(f"ended with code {code} instead of a reply{self._stderr_note()}")
        return line.decode()

    def end(self, deadline_s: float) -> None:
        """Closes the child's input and waits for it to end with code 0."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            code = self._process.wait(deadline_s)
        except subprocess.TimeoutExpired:
            self.kill()
            raise ProcessHung(f"hung: still running {deadline_s:g} s after the end of its input") from None
        if code != 0:
            raise ProcessFailed(f"ended with code {code}{self._stderr_note()}")

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()

    def alive(self) -> bool:
        return self._process.poll() is None

    def threads(self) -> int:
        return len(os.listdir(f"/proc/{self._process.pid}/task"))

    def descriptors(self) -> int:
        return len(os.listdir(f"/proc/{self._process.pid}/fd"))

    def signal(self, number: int) -> None:
        self._process.send_signal(number)

    def peak_memory_bytes(self) -> int:
        """The largest resident memory so far."""
        status = Path(f"/proc/{self._process.pid}/status").read_text()
        [kib] = re.findall(r"^VmHWM:\s+(\d+) kB$", status, re.MULTILINE)
        return int(kib) * 1024

    def stderr(self) -> str:
        """Its standard error so far."""
        # Not read(): that would move the file position, which the child shares.
        return os.pread(self._stderr.fileno(), STDERR_LIMIT_BYTES, 0).decode(errors="replace")

    def _collect(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as lines:
            for line in lines:
                self._lines.put(line.rstrip(b"\n"))
        self._lines.put(None)

    def _stderr_note(self) -> str:
        text = self.stderr().strip()
        return f"; its standard error:\n{text}" if text else ""
