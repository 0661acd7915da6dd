"""PolicyService: streams to every courier what the gate must know."""
# ruff: noqa: N802 - gRPC names the methods

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import grpc

from ledger import metrics
from ledger.service.answers import refuse
from ledger.service.watcher import RESUME_MARGIN, Watcher
from tollkeeper.api.policy.v1 import policy_pb2, policy_pb2_grpc

if TYPE_CHECKING:
    import asyncio

    from ledger.store.bell import Bell
    from ledger.store.policy import PolicyStore
    from tollkeeper.runtime.clock import Clock


class PolicyService(policy_pb2_grpc.PolicyServiceServicer):
    def __init__(
        self,
        *,
        store: PolicyStore,
        bell: Bell,
        partitions: int,
        clock: Clock,
        stop: asyncio.Event,
        resume_margin: int = RESUME_MARGIN,
    ) -> None:
        self._store = store
        self._bell = bell
        self._partitions = partitions
        self._clock = clock
        self._stop = stop
        self._resume_margin = resume_margin

    async def Watch(  # type: ignore[override] # a stream may also be written to its context
        self, request: policy_pb2.WatchRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> None:
        async def send(message: policy_pb2.WatchResponse) -> None:
            message.partitions = self._partitions
            await context.write(message)

        watcher = Watcher(
            store=self._store,
            bell=self._bell,
            clock=self._clock,
            send=send,
            after_position=request.after_position,
            resume_margin=self._resume_margin,
        )
        with metrics.POLICY_WATCHERS.track_inprogress():
            refusal = await watcher.run(self._stop)
        if refusal is not None:
            await refuse(context, refusal)
        await context.abort(grpc.StatusCode.UNAVAILABLE, "the ledger is stopping; watch again")
