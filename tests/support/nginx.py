"""nginx, which terminates TLS in front of a server."""

from __future__ import annotations

import subprocess
from pathlib import Path

from .certificates import CertificateFiles
from .ports import free_port, listens
from .waiting import wait_until

START_DEADLINE_S = 10


class Nginx:
    """Forwards requests to `target`. `verify_client` says whether it wants a certificate of its clients."""

    def __init__(self, folder: Path, target: str, files: CertificateFiles, *, verify_client: str = "off") -> None:
        port = free_port()
        self.url = f"https://localhost:{port}"
        settings = folder / "nginx.conf"
        paths = " ".join(
            f"{kind}_temp_path {folder}/{kind};" for kind in ("proxy", "client_body", "fastcgi", "uwsgi", "scgi")
        )
        settings.write_text(
            f"""
            daemon off; master_process off; pid {folder}/nginx.pid; error_log {folder}/error.log;
            events {{}}
            http {{
              access_log off; {paths}
              server {{
                listen 127.0.0.1:{port} ssl;
                ssl_certificate {files.certificate}; ssl_certificate_key {files.key};
                ssl_client_certificate {files.ca_file}; ssl_verify_client {verify_client};
                location / {{ proxy_pass http://{target}; }}
              }}
            }}
            """
        )
        self._process = subprocess.Popen(["nginx", "-c", str(settings)], stderr=subprocess.DEVNULL)
        wait_until(lambda: listens(port), within_s=START_DEADLINE_S, what="nginx listens")

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()
