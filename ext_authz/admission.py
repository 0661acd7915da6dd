"""The one Redis round trip: `lua/admit.lua`, asked and understood."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from redis.exceptions import RedisError

from ext_authz import keyspace, scripts
from ext_authz.decision import Allowed, Decision, Denied, Identity, Limit, NoVerdictError, Reason

if TYPE_CHECKING:
    from redis.asyncio import Redis

    from ext_authz.call import Call
    from tollkeeper.credential import Credential

_SECOND = 1_000_000
_MINUTE_SECONDS = 60
_UNLIMITED = -1
# Outcome, now, tenant, key, plan; a refusal without a wait ends here.
_HEAD = 5


class RedisAdmission:
    """Admission by the shared Redis, exact over all gates."""

    def __init__(self, redis: Redis) -> None:
        self._script = redis.register_script(scripts.source("admit"))

    async def admit(self, call: Call, credential: Credential, decision_id: str) -> Decision:
        """Reserve the call's units, or say why not.

        Never retried: a second run might reserve twice. Raises NoVerdictError when Redis does not
        answer in time.
        """
        partition = credential.partition
        try:
            reply = await self._script(
                keys=[
                    keyspace.key_record(partition, credential.sha256),
                    keyspace.charges(partition),
                ],
                args=[
                    keyspace.tenant_prefix(partition),
                    keyspace.state_prefix(partition),
                    decision_id,
                    call.request_id,
                    call.metric,
                    call.units,
                    call.scope,
                ],
            )
        except (RedisError, OSError, TimeoutError) as error:
            raise NoVerdictError(f"Redis: {error or type(error).__name__}") from error
        return understand(reply, call.metric, decision_id)


def understand(reply: list[Any], metric: str, decision_id: str) -> Decision:
    """Turn the reply of `admit.lua`, laid out in its header, into a decision."""
    outcome = reply[0].decode()
    identity = Identity(*(value.decode() for value in reply[2:_HEAD]))
    limits = _limits(reply, metric)
    if outcome == "allowed":
        return Allowed(decision_id, identity, limits)
    retry_after_seconds = _seconds(reply[_HEAD]) if len(reply) > _HEAD else 0
    return Denied(decision_id, Reason(outcome), identity, limits, retry_after_seconds)


def _limits(reply: list[Any], metric: str) -> tuple[Limit, ...]:
    limits: list[Limit] = []
    retry_seconds, rest = _seconds(reply[_HEAD] if len(reply) > _HEAD else 0), reply[_HEAD + 1 :]
    if rest:
        capacity, window, left, full_after, *rest = rest
        limits.append(Limit("burst", capacity, _seconds(window), left, _seconds(full_after)))
    if rest:
        rate, left, *rest = rest
        reset_seconds = _MINUTE_SECONDS if left else retry_seconds
        limits.append(Limit("rate", rate, _MINUTE_SECONDS, left, reset_seconds))
    if rest and rest[0] != _UNLIMITED:
        included, left, start, end = rest
        limits.append(
            Limit(metric, included, _seconds(end - start), left, _seconds(end - reply[1]))
        )
    return tuple(limits)


def _seconds(micros: int) -> int:
    """Rounded up: a caller told to wait must not come too early."""
    return -(-micros // _SECOND)
