"""What the decision server needs to know."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Self

from pydantic import Field, TypeAdapter, ValidationError, model_validator

from ext_authz.tls import Tls
from ext_authz.workers.addresses import worker_listen
from tollkeeper.runtime.settings import Settings, SocketAddress

if TYPE_CHECKING:
    from collections.abc import Iterator

# Envoy's configuration takes as many endpoints.
_WORKERS_MAX = 100
_SOCKET_ADDRESS: TypeAdapter[str] = TypeAdapter(SocketAddress)


class ExtAuthzSettings(Settings):
    ext_authz_listen: SocketAddress = Field(
        default="127.0.0.1:18010",
        description="gRPC, for Envoy; of several workers the first, see `worker_listen`",
    )
    transport: Literal["wire", "grpcio"] = Field(
        default="wire", description="wire: our own HTTP/2; grpcio: grpc.aio, the reference"
    )
    workers: int = Field(
        default=1, ge=1, le=_WORKERS_MAX, description="processes; several have a supervising parent"
    )
    ext_authz_metrics_listen: SocketAddress = "127.0.0.1:18110"
    ext_authz_tls_certificate: str = Field(
        default="", description="PEM file with the chain; empty: plaintext"
    )
    ext_authz_tls_key: str = Field(default="", description="PEM file, without a password")
    ext_authz_tls_client_ca: str = Field(
        default="", description="PEM file; when set, Envoy must show a certificate it signed"
    )
    redis_url: str = Field(
        default="redis://127.0.0.1:6379/0",
        description="redis://, unix://, redis+sentinel://host:port,…/service/0 or "
        "redis+cluster://host:port,…; rediss for TLS: see `ext_authz/redis/url.py`",
    )
    redis_timeout_seconds: float = Field(
        default=0.05,
        gt=0,
        description="past it there is no verdict; well below Envoy's own timeout of 250 ms",
    )
    upgrade_url: str = Field(
        default="", description="where a caller buys more; named in bodies of 402 and quota 429"
    )
    drain_notice_seconds: float = Field(
        default=1.2,
        ge=0,
        description="how long a stop is announced to Envoy's health checks before it begins",
    )
    legacy_rate_limit_headers: bool = Field(
        default=False, description="also send X-RateLimit-Limit, -Remaining and -Reset"
    )
    worker: int | None = Field(
        default=None, description="set by the parent of several workers, as the next two"
    )
    worker_leash: int = Field(default=-1, description="a pipe that ends when the parent does")
    worker_folder: str = Field(default="", description="where a worker leaves its last counts")

    @property
    def tls(self) -> Tls | None:
        """None: plaintext."""
        files = self._tls_files
        return files if files.certificate else None

    @property
    def _tls_files(self) -> Tls:
        return Tls(
            self.ext_authz_tls_certificate, self.ext_authz_tls_key, self.ext_authz_tls_client_ca
        )

    @model_validator(mode="after")
    def _check(self) -> Self:
        faults = [*self._worker_faults(), *self._tls_files.faults()]
        if faults:
            raise ValueError("; ".join(faults))
        return self

    def _worker_faults(self) -> Iterator[str]:
        if self.workers == 1:
            return
        last = worker_listen(self.ext_authz_listen, self.workers - 1)
        try:
            _SOCKET_ADDRESS.validate_python(last)
        except ValidationError:
            yield f"TOLLKEEPER_WORKERS: the last of {self.workers} cannot listen on {last}"
