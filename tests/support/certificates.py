"""The one way in which these tests make certificates: an authority of their own, and what it signs."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Optional

import trustme


@dataclass(frozen=True)
class CertificateFiles:
    """PEM files of a server: its certificate chain, its key, and the authority that a client has to trust."""

    certificate: Path
    key: Path
    ca_file: Path


class Authority:
    """A certificate authority that no client trusts unless it is given the file of `write_ca_file`."""

    def __init__(self) -> None:
        self._authority = trustme.CA()

    def write_ca_file(self, folder: Path) -> Path:
        """Writes `ca.pem` into the folder."""
        path = folder / "ca.pem"
        self._authority.cert_pem.write_to_path(str(path))
        return path

    def write_server_files(self, folder: Path, *hosts: str) -> CertificateFiles:
        """Signs a certificate for these hosts, and writes all that a server needs into the folder."""
        signed = self._authority.issue_cert(*hosts)
        certificate, key = folder / "certificate.pem", folder / "key.pem"
        certificate.write_bytes(b"".join(part.bytes() for part in signed.cert_chain_pems))
        key.write_bytes(signed.private_key_pem.bytes())
        return CertificateFiles(certificate, key, self.write_ca_file(folder))

    def server_context(self, host: str, version: Optional[ssl.TLSVersion] = None) -> ssl.SSLContext:
        """The server's side of TLS with a certificate for `host`. With a `version` it speaks that one alone."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        if version:
            context.minimum_version = context.maximum_version = version
            context.set_ciphers("ALL:@SECLEVEL=0")  # without it, OpenSSL does not speak TLS 1.1
        self._authority.issue_cert(host).configure_cert(context)
        return context
