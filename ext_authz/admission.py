"""The one Redis round trip of a known key: `lua/admit.lua`, asked and understood."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from ext_authz import keyspace, scripts
from ext_authz.decision import Allowed, Decision, Denied, Limit, Reason
from ext_authz.limits import burst_limit, quota_limit, rate_limit, whole_seconds
from ext_authz.redis.resp import bulk, command

if TYPE_CHECKING:
    from ext_authz.call import Call
    from ext_authz.records import KeyRecord, TenantRecord
    from ext_authz.redis.masters import Masters
    from ext_authz.redis.pipeline import Asker

SCRIPT = scripts.source("admit")
_SHA1 = hashlib.sha1(SCRIPT.encode(), usedforsecurity=False).hexdigest()
_ALLOWED, _BURST, _RATE = 0, 1, 2


class Admission:
    """Holds calls against the limits that all gates share."""

    def __init__(self, masters: Masters) -> None:
        self._masters = masters

    def ask(self, record: KeyRecord, call: Call, decision_id: str, asker: Asker) -> None:
        """Send the question; `understand` reads the answer."""
        openings = record.tenant.openings
        cost = (call.metric, call.units)
        opening = openings.get(cost)
        if opening is None:
            opening = openings[cost] = _opening(record.tenant, *cost, "EVALSHA", _SHA1)
        data = opening + bulk(charge_line(record, call, decision_id))
        self._masters.send(data, asker, record.tenant.partition)

    def ask_with_script(
        self, record: KeyRecord, call: Call, decision_id: str, asker: Asker
    ) -> None:
        """As `ask`, of a Redis that has forgotten its scripts: it said NOSCRIPT, and ran none."""
        opening = _opening(record.tenant, call.metric, call.units, "EVAL", SCRIPT)
        data = opening + bulk(charge_line(record, call, decision_id))
        self._masters.send(data, asker, record.tenant.partition)


def understand(reply: list[Any], record: KeyRecord, call: Call, decision_id: str) -> Decision:
    """Turn the reply of `admit.lua`, laid out in its header, into a decision."""
    outcome = reply[0]
    if outcome == _ALLOWED:
        _, now, _, burst_full_after, rate_left, used = reply
        return Allowed(decision_id, record, now, burst_full_after, rate_left, used)
    return _refusal(reply, record, call, decision_id)


def _refusal(reply: list[Any], record: KeyRecord, call: Call, decision_id: str) -> Denied:
    outcome, now, wait, burst_full_after, *rest = reply
    tenant, wait_seconds = record.tenant, whole_seconds(wait)
    limits: list[Limit] = [burst_limit(tenant, burst_full_after)]
    if outcome == _BURST:
        reason = Reason.BURST_EXCEEDED
    elif outcome == _RATE:
        reason = Reason.RATE_EXCEEDED
        limits.append(rate_limit(tenant, 0, wait_seconds))
    else:
        rate_left, used = rest
        reason = Reason.QUOTA_EXCEEDED
        limits.append(rate_limit(tenant, rate_left))
        quota = quota_limit(tenant, call.metric, used, now)
        if quota is not None:
            limits.append(quota)
    return Denied(decision_id, reason, record.identity, tuple(limits), wait_seconds)


def _opening(tenant: TenantRecord, metric: str, units: int, verb: str, script: str) -> bytes:
    """All of the command but its last argument, which is the call itself."""
    complete = command(
        verb,
        script,
        2,
        keyspace.tenant_state(tenant.partition, tenant.tenant_id),
        keyspace.charges(tenant.partition),
        *tenant.admit_arguments(metric, units),
        "",
    )
    return complete[: -len(bulk(b""))]


def charge_line(record: KeyRecord, call: Call, decision_id: str) -> bytes:
    """One line for the charge stream; the request id stands last, it may hold anything."""
    return (
        f"{decision_id} {record.tenant.tenant_id} {record.key_id} {call.metric} {call.units} "
        f"{call.request_id}"
    ).encode()
