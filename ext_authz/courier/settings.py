"""What the courier needs to know."""

from __future__ import annotations

from pydantic import Field, ValidationInfo, field_validator

from tollkeeper.runtime.settings import Address, Settings


class CourierSettings(Settings):
    courier_listen: Address = Field(
        default="127.0.0.1:18070", description="gRPC, for Envoy's access log"
    )
    courier_metrics_listen: Address = "127.0.0.1:18170"
    redis_url: str = Field(
        default="redis://127.0.0.1:6379/0",
        description="as the gate's, but no Cluster yet: one command reads the streams of all "
        "partitions, which a Cluster does not allow",
    )
    ledger_address: Address = "127.0.0.1:18020"
    settle_wait_seconds: float = Field(
        default=2.0,
        ge=0,
        description="how long a reservation waits for its access log entry before it is charged "
        "as estimated",
    )
    claim_idle_seconds: float = Field(
        default=5.0,
        gt=0,
        description="reservations that another courier left untouched for this long are taken over",
    )

    @field_validator("claim_idle_seconds")
    @classmethod
    def _outlasts_the_settle_wait(cls, seconds: float, info: ValidationInfo) -> float:
        # Else another courier would charge what the first still waits with.
        if seconds <= info.data.get("settle_wait_seconds", 0):
            raise ValueError("must be more than TOLLKEEPER_SETTLE_WAIT_SECONDS")
        return seconds
