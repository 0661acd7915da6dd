"""The gate: request → decide → respond, whatever transport carries it."""

from __future__ import annotations

import secrets
import time
from typing import TYPE_CHECKING, Any, Protocol

import structlog
from prometheus_client import Counter, Histogram

from ext_authz.decision import Decision, Denied, NoVerdictError
from ext_authz.request import read_call
from ext_authz.response import respond
from ext_authz.screening import screen

if TYPE_CHECKING:
    from collections.abc import Callable

    from ext_authz.call import Call
    from ext_authz.settings import ExtAuthzSettings
    from tollkeeper.credential import Credential

log = structlog.get_logger(__name__)

DECISIONS = Counter(
    "tollkeeper_decisions_total",
    "Decisions by outcome: allowed, or the reason of the refusal, or unavailable",
    ["outcome"],
)
SECONDS = Histogram(
    "tollkeeper_check_seconds",
    "From Envoy's question to the answer",
    buckets=(0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25),
)


class Admission(Protocol):
    """Decides with shared state. Raises NoVerdictError when it cannot."""

    async def admit(self, call: Call, credential: Credential, decision_id: str) -> Decision: ...


def new_decision_id() -> str:
    """128 random bits. An id that a client could predict could be forged into a free call."""
    return f"dec_{secrets.token_hex(16)}"


class Gate:
    """Answers checks. One object serves every transport."""

    def __init__(
        self,
        admission: Admission,
        settings: ExtAuthzSettings,
        decision_id: Callable[[], str] = new_decision_id,
    ) -> None:
        self._admission = admission
        self._settings = settings
        self._decision_id = decision_id

    async def check(self, request: Any) -> Any:
        """CheckRequest → CheckResponse. Raises NoVerdictError; nothing else is an answer."""
        begun = time.perf_counter()
        try:
            call = read_call(request)
            decision = await self._decide(call)
        except NoVerdictError as error:
            DECISIONS.labels("unavailable").inc()
            log.warning("no verdict", error=str(error))
            raise
        _report(call, decision)
        response = respond(
            call,
            decision,
            upgrade_url=self._settings.upgrade_url,
            legacy_headers=self._settings.legacy_rate_limit_headers,
        )
        SECONDS.observe(time.perf_counter() - begun)
        return response

    async def _decide(self, call: Call) -> Decision:
        decision_id = self._decision_id()
        screened = screen(call, decision_id)
        if isinstance(screened, Denied):
            return screened
        return await self._admission.admit(call, screened, decision_id)


def _report(call: Call, decision: Decision) -> None:
    if isinstance(decision, Denied):
        DECISIONS.labels(decision.reason).inc()
        log.info(
            "denied",
            reason=decision.reason,
            decision_id=decision.decision_id,
            tenant=decision.identity.tenant,
            key=decision.identity.key,
            client=call.client_address,
            method=call.method,
        )
    else:
        DECISIONS.labels("allowed").inc()
