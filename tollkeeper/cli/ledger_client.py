"""The ledger as the command line calls it: every call has a deadline, every failure one line."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

import grpc

from tollkeeper.api.ledger.v1.keys_pb2_grpc import KeyServiceStub
from tollkeeper.api.ledger.v1.plans_pb2_grpc import PlanServiceStub
from tollkeeper.api.ledger.v1.tenants_pb2_grpc import TenantServiceStub
from tollkeeper.api.ledger.v1.usage_pb2_grpc import UsageServiceStub
from tollkeeper.runtime.errors import OperatorError

if TYPE_CHECKING:
    from collections.abc import Iterator

Request = TypeVar("Request")
Response = TypeVar("Response")

# A ledger that is up answers in milliseconds; a person waits no longer than this.
_DEADLINE_SECONDS = 5
# The environment's HTTP proxy must not come between this machine and its own ledger.
_OPTIONS = [("grpc.enable_http_proxy", 0)]
# The ledger wrote these details for the caller; they need no frame.
_REFUSALS = {
    grpc.StatusCode.NOT_FOUND,
    grpc.StatusCode.ALREADY_EXISTS,
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.FAILED_PRECONDITION,
    grpc.StatusCode.PERMISSION_DENIED,
}
_NOT_CONNECTED = ("failed to connect to all addresses", "DNS resolution failed")


class Ledger:
    def __init__(self, channel: grpc.Channel, address: str) -> None:
        self.address = address
        self.tenants = TenantServiceStub(channel)
        self.keys = KeyServiceStub(channel)
        self.plans = PlanServiceStub(channel)
        self.usage = UsageServiceStub(channel)

    def call(
        self, method: grpc.UnaryUnaryMultiCallable[Request, Response], request: Request
    ) -> Response:
        """The answer. Raises OperatorError for whatever else happens."""
        try:
            return method(request, timeout=_DEADLINE_SECONDS)
        except grpc.RpcError as error:
            raise OperatorError(_explain(error, self.address)) from error


@contextmanager
def open_ledger(address: str) -> Iterator[Ledger]:
    """A connection to the ledger at `HOST:PORT`, made at the first call."""
    with grpc.insecure_channel(address, options=_OPTIONS) as channel:
        yield Ledger(channel, address)


def _explain(error: grpc.RpcError, address: str) -> str:
    if not isinstance(error, grpc.Call):
        return f"the ledger at {address} failed: {error!r}"
    code = error.code()
    details = " ".join((error.details() or "").split())
    if code in _REFUSALS and details:
        return details
    if code is grpc.StatusCode.UNAVAILABLE:
        # gRPC's account of a failed connection is long and says no more than that it failed.
        own_words = "" if details.startswith(_NOT_CONNECTED) else f" ({details})"
        return (
            f"the ledger does not answer at {address}{own_words}: start it with `tollkeeper up`, "
            "or set TOLLKEEPER_LEDGER_ADDRESS"
        )
    if code is grpc.StatusCode.DEADLINE_EXCEEDED:
        return f"the ledger at {address} did not answer within {_DEADLINE_SECONDS} s: see its log"
    return f"the ledger at {address} failed: {code.name} {details}".rstrip()
