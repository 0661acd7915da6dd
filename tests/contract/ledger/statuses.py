"""How a call is refused."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import grpc
import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def refused(code: grpc.StatusCode, detail: str) -> Iterator[None]:
    """The call ends with this status, and its details contain this."""
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        yield
    assert raised.value.code() is code
    assert detail in (raised.value.details() or "")
