"""A real Valkey server, which takes the options of Redis."""

from __future__ import annotations

import shutil
from typing import Optional

from .languages import BUILD
from .redis_server import RedisServer

UNPACKED = BUILD / "valkey/usr/bin"
"""Where scripts/setup puts it if the system has none."""


def valkey_program() -> Optional[str]:
    return shutil.which("valkey-server") or shutil.which("valkey-server", path=str(UNPACKED))


class ValkeyServer(RedisServer):
    """On a free port, with the users of `RedisServer`."""

    def start(self) -> None:
        program = valkey_program()
        assert program, "there is no valkey-server; make setup gets it"
        self._command[0] = program
        super().start()
