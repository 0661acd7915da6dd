"""TLS between Envoy and the gate, from PEM files, on both transports."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import grpc

if TYPE_CHECKING:
    from collections.abc import Iterator

_CERTIFICATE = "TOLLKEEPER_EXT_AUTHZ_TLS_CERTIFICATE"
_KEY = "TOLLKEEPER_EXT_AUTHZ_TLS_KEY"
_CLIENT_CA = "TOLLKEEPER_EXT_AUTHZ_TLS_CLIENT_CA"
# HTTP/2 forbids the others of TLS 1.2 (RFC 9113, appendix A); those of 1.3 are all good.
_CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"


@dataclass(frozen=True)
class Tls:
    """Paths of PEM files, empty when there is none.

    With a client CA, callers must show a certificate that it signed.
    """

    certificate: str
    key: str
    client_ca: str = ""

    def faults(self) -> Iterator[str]:
        """What is wrong with the files, each by the variable that named it."""
        if not self.certificate:
            yield from (
                f"{name}: needs {_CERTIFICATE} beside it"
                for name, path in ((_KEY, self.key), (_CLIENT_CA, self.client_ca))
                if path
            )
            return
        if not self.key:
            yield f"{_KEY}: must name the key of {_CERTIFICATE}"
        faults = {name: _file_fault(name, path) for name, path in self._files().items()}
        yield from filter(None, faults.values())
        if self.key and not faults[_CERTIFICATE] and not faults[_KEY]:
            yield from self._key_faults()

    def context(self) -> ssl.SSLContext:
        """For our own transport."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.set_ciphers(_CIPHERS)
        context.set_alpn_protocols(["h2"])
        context.load_cert_chain(self.certificate, self.key, _no_password)
        if self.client_ca:
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(self.client_ca)
        return context

    def credentials(self) -> grpc.ServerCredentials:
        """For grpcio, which has the same floor of TLS 1.2 and insists on ALPN by itself."""
        pair = (Path(self.key).read_bytes(), Path(self.certificate).read_bytes())
        ca = Path(self.client_ca).read_bytes() if self.client_ca else None
        return grpc.ssl_server_credentials([pair], ca, require_client_auth=ca is not None)

    def _files(self) -> dict[str, str]:
        named = {_CERTIFICATE: self.certificate, _KEY: self.key, _CLIENT_CA: self.client_ca}
        return {name: path for name, path in named.items() if path}

    def _key_faults(self) -> Iterator[str]:
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(
                self.certificate, self.key, _no_password
            )
        except ssl.SSLError as error:
            if error.reason in {"KEY_VALUES_MISMATCH", "KEY_TYPE_MISMATCH"}:
                yield f"{_KEY}: {self.key} is not the key of {self.certificate}"
            else:
                yield f"{_KEY}: {self.key} holds no key that can be read without a password"


def _file_fault(name: str, path: str) -> str | None:
    try:
        Path(path).read_bytes()
    except OSError as error:
        return f"{name}: {path}: {error.strerror}"
    if name == _KEY:
        return None
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_verify_locations(path)
    except ssl.SSLError:
        return f"{name}: {path} holds no certificate"
    return None


def _no_password() -> str:
    # Else OpenSSL would ask on the terminal.
    return ""
