"""What the decision server needs to know."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from tollkeeper.runtime.settings import Address, Settings


class ExtAuthzSettings(Settings):
    ext_authz_listen: Address = Field(default="127.0.0.1:18010", description="gRPC, for Envoy")
    transport: Literal["wire", "grpcio"] = Field(
        default="wire", description="wire: our own HTTP/2; grpcio: grpc.aio, the reference"
    )
    ext_authz_metrics_listen: Address = "127.0.0.1:18110"
    redis_url: str = "redis://127.0.0.1:6379/0"
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
