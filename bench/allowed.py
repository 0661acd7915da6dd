"""A fast refusal is no figure."""

from __future__ import annotations

from typing import Any

import grpc
from envoy.service.auth.v3 import external_auth_pb2

from bench.check_request import METHOD, check_request
from tollkeeper.runtime.errors import OperatorError
from tollkeeper.runtime.grpc_server import open_channel

# The first check of a server that just started connects to Redis and loads the script.
_SECONDS_MAX = 5.0


async def expect_allowed(address: str, key: str) -> None:
    """Raises OperatorError unless the server at `address` allows the check."""
    async with open_channel(address) as channel:
        check: Any = channel.unary_unary(
            METHOD,
            request_serializer=external_auth_pb2.CheckRequest.SerializeToString,
            response_deserializer=external_auth_pb2.CheckResponse.FromString,
        )
        try:
            response = await check(check_request(key), timeout=_SECONDS_MAX, wait_for_ready=True)
        except grpc.aio.AioRpcError as error:
            raise OperatorError(f"{address} fails the check: {error.details()}") from error
    if response.status.code:
        raise OperatorError(
            f"{address} refuses the check: {response.denied_response.body or response.status}"
        )
