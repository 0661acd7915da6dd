"""The gate: request → decide → respond, whatever transport carries it."""

from __future__ import annotations

import secrets
import time
from typing import TYPE_CHECKING

import structlog
from google.protobuf.message import DecodeError

from ext_authz.check import Check
from ext_authz.decision import Allowed, Decision, Denied, NoVerdictError
from ext_authz.request import read_call
from ext_authz.response import respond
from ext_authz.screening import path_is_ambiguous, screen

if TYPE_CHECKING:
    from collections.abc import Callable

    from ext_authz.admission import Admission
    from ext_authz.exchange import Exchange
    from ext_authz.gate_metrics import GateMetrics
    from ext_authz.record_cache import RecordCache
    from ext_authz.records import KeyRecord
    from ext_authz.settings import ExtAuthzSettings

log = structlog.get_logger(__name__)

# Without Redis every call ends so; one line tells as much as a thousand.
_WARN_SECONDS = 1.0
# https://grpc.io/docs/guides/status-codes/
_INVALID_ARGUMENT, _DEADLINE_EXCEEDED, _UNAVAILABLE = 3, 4, 14


class DecisionIds:
    """128 random bits each. An id that a client could predict could be forged into a free call."""

    # The kernel is asked for 256 at once; asking costs more than all the rest.
    _BATCH = 256

    def __init__(self) -> None:
        self._ready: list[str] = []

    def __call__(self) -> str:
        if not self._ready:
            digits = secrets.token_hex(16 * self._BATCH)
            self._ready = [f"dec_{digits[n : n + 32]}" for n in range(0, len(digits), 32)]
        return self._ready.pop()


class Gate:
    """Answers checks. One object serves every transport, and nothing in it waits."""

    def __init__(  # noqa: PLR0917 - its parts, in the order of a call
        self,
        records: RecordCache,
        admission: Admission,
        metrics: GateMetrics,
        settings: ExtAuthzSettings,
        now: Callable[[], float],
        decision_id: Callable[[], str] | None = None,
    ) -> None:
        self._records = records
        self._admission = admission
        self._metrics = metrics
        self._settings = settings
        self._now = now
        self._decision_id = decision_id or DecisionIds()
        self._warn_at = 0.0

    def check(self, raw: bytes, exchange: Exchange) -> None:
        """Answer a serialised CheckRequest, now or when Redis has answered.

        Trouble fails the exchange, it is no denial: Envoy answers 503 by `status_on_error`, and
        only a failed RPC obeys `failure_mode_allow`, which we ship as false.
        """
        try:
            call = read_call(raw)
        except DecodeError as error:
            self._metrics.outcomes["unavailable"] += 1
            exchange.fail(_INVALID_ARGUMENT, f"not a CheckRequest: {error}")
            return
        except NoVerdictError as error:
            self._fail(exchange, str(error))
            return
        check = Check(self, exchange, call, self._decision_id(), time.perf_counter())
        if len(call.credentials) == 1:
            record = self._records.get(call.credentials[0])
            if record is not None and not path_is_ambiguous(call.path):
                check.found(record)
                return
        screened = screen(call, check.decision_id)
        if isinstance(screened, Denied):
            self.decided(check, screened)
        else:
            self._records.seek(screened, check)

    # What a check tells ---------------------------------------------------------------------------

    def admit(self, check: Check, record: KeyRecord) -> None:
        """Ask Redis, unless it is too late to be of use."""
        if self._now() >= check.exchange.deadline:
            self._metrics.outcomes["unavailable"] += 1
            check.exchange.fail(_DEADLINE_EXCEEDED, "the deadline has passed")
        else:
            self._admission.ask(record, check.call, check.decision_id, check)

    def script_missing(self, check: Check, record: KeyRecord) -> None:
        self._admission.ask_with_script(record, check.call, check.decision_id, check)

    def decided(self, check: Check, decision: Decision) -> None:
        outcome = "allowed" if isinstance(decision, Allowed) else decision.reason
        self._metrics.outcomes[outcome] += 1
        if isinstance(decision, Denied):
            _log_refusal(check, decision)
        check.exchange.answer(respond(check.call, decision, self._settings))
        self._metrics.observe(time.perf_counter() - check.begun)

    def no_verdict(self, check: Check, why: str) -> None:
        self._fail(check.exchange, why)

    def _fail(self, exchange: Exchange, why: str) -> None:
        self._metrics.outcomes["unavailable"] += 1
        now = self._now()
        if now >= self._warn_at:
            self._warn_at = now + _WARN_SECONDS
            log.warning("no verdict", error=why, so_far=self._metrics.outcomes["unavailable"])
        exchange.fail(_UNAVAILABLE, f"no verdict: {why}")


def _log_refusal(check: Check, denied: Denied) -> None:
    log.info(
        "denied",
        reason=denied.reason,
        decision_id=denied.decision_id,
        tenant=denied.identity.tenant,
        key=denied.identity.key,
        client=check.call.client_address,
        method=check.call.method,
    )
