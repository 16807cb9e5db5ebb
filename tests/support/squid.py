"""Squid, the proxy of many company networks."""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path

from .ports import free_port, listens
from .waiting import wait_until

USER, PASSWORD = "proxy-user", "p@ss#w0rd/?:%"
CREDENTIALS = "proxy-user:p%40ss%23w0rd%2F%3F%3A%25"
"""As they are written in a URL."""
REFUSED_ADDRESS = "127.0.0.3"
START_DEADLINE_S = 30


class Squid:
    """Requires a user and password. It refuses one address, and all methods but CONNECT."""

    def __init__(self) -> None:
        self.port = free_port()
        self._folder = tempfile.TemporaryDirectory()
        folder = Path(self._folder.name)
        folder.chmod(0o777)  # root's squid continues as another user
        hashed = subprocess.run(["openssl", "passwd", "-apr1", PASSWORD], capture_output=True, text=True, check=True)
        passwords = folder / "passwords"
        passwords.write_text(f"{USER}:{hashed.stdout}")
        settings = folder / "squid.conf"
        settings.write_text(
            f"""
            http_port 127.0.0.1:{self.port}
            auth_param basic program /usr/lib/squid/basic_ncsa_auth {passwords}
            auth_param basic children 1
            acl known proxy_auth REQUIRED
            acl refused dst {REFUSED_ADDRESS}
            http_access deny refused
            http_access allow known CONNECT
            http_access deny all
            connect_timeout 2 seconds
            shutdown_lifetime 0 seconds
            cache_mem 0
            memory_cache_shared off
            forward_max_tries 1
            pid_filename none
            access_log none
            cache_log {folder}/cache.log
            netdb_filename none
            pinger_enable off
            coredump_dir {folder}
            """
        )
        # Its shared memory has the name of the service.
        command = ["squid", "-N", "-n", f"test{self.port}", "-f", str(settings)]
        self._process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        wait_until(lambda: listens(self.port), within_s=START_DEADLINE_S, what="squid listens")

    def url(self, credentials: str = CREDENTIALS) -> str:
        return f"http://{credentials}@127.0.0.1:{self.port}" if credentials else f"http://127.0.0.1:{self.port}"

    def kill(self) -> None:
        self._process.terminate()
        self._process.wait()
        self._folder.cleanup()
