"""Refusals and trouble, translated into gRPC statuses in one place."""

from __future__ import annotations

from functools import wraps
from typing import TYPE_CHECKING, Any, NoReturn, ParamSpec, TypeVar

import grpc
import structlog

from ledger.store.trouble import COLLISION, UNREACHABLE

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from ledger.domain.refusal import Refusal

log = structlog.get_logger(__name__)

P = ParamSpec("P")
T = TypeVar("T")

_CODES = {
    "invalid": grpc.StatusCode.INVALID_ARGUMENT,
    "not_found": grpc.StatusCode.NOT_FOUND,
    "exists": grpc.StatusCode.ALREADY_EXISTS,
}


async def refuse(context: grpc.aio.ServicerContext[Any, Any], refusal: Refusal) -> NoReturn:
    await context.abort(_CODES[refusal.kind], refusal.detail)


def or_unavailable(method: Callable[P, Awaitable[T]]) -> Callable[P, Awaitable[T]]:
    """Answer UNAVAILABLE while PostgreSQL cannot be reached, and ABORTED after collisions.

    Both tell the caller that nothing was decided and that the same request may be sent again.
    """

    @wraps(method)
    async def answering(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return await method(*args, **kwargs)
        except UNREACHABLE as error:
            log.warning("PostgreSQL does not answer", call=method.__qualname__, error=repr(error))
            await _abort(args, grpc.StatusCode.UNAVAILABLE, "PostgreSQL does not answer; try again")
        except COLLISION as error:
            log.warning("collided in PostgreSQL", call=method.__qualname__, error=repr(error))
            await _abort(args, grpc.StatusCode.ABORTED, "collided with another request; try again")
        raise AssertionError  # abort raises

    return answering


async def _abort(arguments: Any, code: grpc.StatusCode, detail: str) -> None:
    # A servicer's method is called as (self, request, context).
    context: grpc.aio.ServicerContext[Any, Any] = arguments[2]
    await context.abort(code, detail)
