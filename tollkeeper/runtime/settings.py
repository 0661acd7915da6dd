"""Settings: one list per process, read once from the environment, all faults named together."""

from __future__ import annotations

import re
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from tollkeeper.runtime.errors import OperatorError

_PORT_MAX = 65_535


def _address(text: str) -> str:
    host, _, port = text.rpartition(":")
    if not host or not re.fullmatch(r"[0-9]{1,5}", port) or not 0 < int(port) <= _PORT_MAX:
        raise ValueError("must be HOST:PORT, for example 127.0.0.1:18020")
    return text


Address = Annotated[str, AfterValidator(_address)]
"""`HOST:PORT`; an IPv6 host stands in brackets."""


def split_address(address: str) -> tuple[str, int]:
    """("127.0.0.1", 18020) for "127.0.0.1:18020"; brackets around IPv6 are dropped."""
    host, _, port = address.rpartition(":")
    return host.strip("[]"), int(port)


class Settings(BaseSettings):
    """What every process has. Field `redis_url` is read from `TOLLKEEPER_REDIS_URL`."""

    model_config = SettingsConfigDict(env_prefix="TOLLKEEPER_", frozen=True, extra="ignore")

    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_format: Literal["auto", "json", "console"] = Field(
        default="auto", description="auto: console on a terminal, JSON elsewhere"
    )
    start_timeout_seconds: float = Field(
        default=15.0, gt=0, description="how long a start waits for Redis, PostgreSQL, the ledger"
    )
    drain_timeout_seconds: float = Field(
        default=10.0, ge=0, description="how long a stop waits for calls in flight"
    )

    @classmethod
    def read(cls) -> Self:
        """Read the environment. Raises OperatorError naming every faulty variable at once."""
        try:
            return cls()
        except ValidationError as error:
            faults = "; ".join(
                f"TOLLKEEPER_{'_'.join(str(part) for part in fault['loc']).upper()}: "
                f"{fault['msg'].removeprefix('Value error, ')}"
                for fault in error.errors()
            )
            raise OperatorError(f"settings: {faults}") from error
