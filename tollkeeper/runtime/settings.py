"""Settings: one list per process, read once from the environment, all faults named together."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from tollkeeper.runtime.errors import OperatorError

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

PORT_MAX = 65_535
_UNIX = "unix:"
# What a `sockaddr_un` holds on Linux, less the NUL at its end.
_UNIX_PATH_BYTES_MAX = 107


def _address(text: str) -> str:
    host, _, port = text.rpartition(":")
    if not host or not re.fullmatch(r"[0-9]{1,5}", port) or not 0 < int(port) <= PORT_MAX:
        raise ValueError("must be HOST:PORT, for example 127.0.0.1:18020")
    return text


def _socket_address(text: str) -> str:
    path = unix_path(text)
    if path is None:
        return _address(text)
    if not path.startswith("/") or path.endswith("/"):
        raise ValueError("must be HOST:PORT or unix:/PATH, for example unix:/run/tollkeeper.sock")
    if len(path.encode()) > _UNIX_PATH_BYTES_MAX or "\0" in path:
        raise ValueError(
            f"a socket's path has at most {_UNIX_PATH_BYTES_MAX} bytes, none of them 0"
        )
    return text


Address = Annotated[str, AfterValidator(_address)]
"""`HOST:PORT`; an IPv6 host stands in brackets."""

SocketAddress = Annotated[str, AfterValidator(_socket_address)]
"""An `Address` or `unix:/PATH`."""


def split_address(address: str) -> tuple[str, int]:
    """("127.0.0.1", 18020) for "127.0.0.1:18020"; brackets around IPv6 are dropped."""
    host, _, port = address.rpartition(":")
    return host.strip("[]"), int(port)


def unix_path(address: str) -> str | None:
    """The path of `unix:PATH`, None for other addresses."""
    return address.removeprefix(_UNIX) if address.startswith(_UNIX) else None


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
    def read(cls, **given: Any) -> Self:
        """Read the environment, and before it what is `given`.

        Raises OperatorError naming every faulty variable at once.
        """
        try:
            return cls(**given)
        except ValidationError as error:
            faults = "; ".join(_fault(fault) for fault in error.errors())
            raise OperatorError(f"settings: {faults}") from error

    def environment(self) -> dict[str, str]:
        """What gives another process the same settings."""
        chosen = self.model_dump(mode="json", exclude_unset=True, exclude_none=True)
        return {_variable(name): str(value) for name, value in chosen.items()}


def _fault(fault: ErrorDetails) -> str:
    message = fault["msg"].removeprefix("Value error, ")
    # Who looks at several variables at once names them.
    return f"{_variable(*fault['loc'])}: {message}" if fault["loc"] else message


def _variable(*location: int | str) -> str:
    return f"TOLLKEEPER_{'_'.join(str(part) for part in location).upper()}"
