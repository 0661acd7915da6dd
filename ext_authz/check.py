"""One check on its way from the question to the answer."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import hiredis

from ext_authz.admission import understand
from ext_authz.decision import Denied, Reason

if TYPE_CHECKING:
    from ext_authz.call import Call
    from ext_authz.exchange import Exchange
    from ext_authz.gate import Gate
    from ext_authz.records import KeyRecord


class Check:
    """Seeks its key's record, asks for admission, and ends with a decision or without one."""

    __slots__ = (
        "_gate",
        "_record",
        "begun",
        "call",
        "decision_id",
        "exchange",
    )

    def __init__(
        self, gate: Gate, exchange: Exchange, call: Call, decision_id: str, begun: float
    ) -> None:
        self._gate = gate
        self.exchange = exchange
        self.call = call
        self.decision_id = decision_id
        self.begun = begun

    # As a seeker of a record ----------------------------------------------------------------------

    def found(self, record: KeyRecord | None) -> None:
        if record is None:
            self._deny(Reason.CREDENTIAL_UNKNOWN)
            return
        refusal = record.refusal(self.call.scope, int(time.time() * 1_000_000))
        if refusal is not None:
            self._gate.decided(self, Denied(self.decision_id, refusal, record.identity))
            return
        self._record = record
        self._gate.admit(self, record)

    # As an asker for admission --------------------------------------------------------------------

    def replied(self, reply: Any) -> None:
        if not isinstance(reply, hiredis.ReplyError):
            decision = understand(reply, self._record, self.call, self.decision_id)
            self._gate.decided(self, decision)
        elif str(reply).startswith("NOSCRIPT"):
            self._gate.script_missing(self, self._record)
        else:
            self.unanswered(str(reply))

    def unanswered(self, why: str) -> None:
        self._gate.no_verdict(self, f"Redis: {why}")

    def _deny(self, reason: Reason) -> None:
        self._gate.decided(self, Denied(self.decision_id, reason))
