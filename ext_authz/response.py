"""From a Decision to a serialised CheckResponse. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from envoy.config.core.v3 import base_pb2
from envoy.service.auth.v3 import external_auth_pb2

from ext_authz import problem
from ext_authz.decision import Allowed, Decision, Denied
from ext_authz.limits import burst_limit, quota_limit, rate_limit
from ext_authz.protobuf_wire import delimited
from ext_authz.rate_limit_headers import (
    LIMITS_HEADER,
    POLICY_HEADER,
    policy_value,
    rate_limit_headers,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ext_authz.call import Call
    from ext_authz.decision import Identity, Limit
    from ext_authz.settings import ExtAuthzSettings

TENANT_HEADER = "x-tollkeeper-tenant"
PLAN_HEADER = "x-tollkeeper-plan"
KEY_HEADER = "x-tollkeeper-key"
_IDENTITY_HEADERS = frozenset({TENANT_HEADER, PLAN_HEADER, KEY_HEADER})

# Envoy 1.37.0 took an unset `append` for true and left the client's own header beside ours, so
# both the old and the new field are always set.
_OVERWRITE = base_pb2.HeaderValueOption.OVERWRITE_IF_EXISTS_OR_ADD

# Six numbers of 64 bits, the words between them, and a metric's name, which the catalogue bounds.
LIMITS_VALUE_BYTES_MAX = 512

_FIELDS = external_auth_pb2.CheckResponse.DESCRIPTOR.fields_by_name
_OK_FIELD = _FIELDS["ok_response"].number
_CALLER_HEADERS_FIELD = external_auth_pb2.OkHttpResponse.DESCRIPTOR.fields_by_name[
    "response_headers_to_add"
].number


def respond(call: Call, decision: Decision, settings: ExtAuthzSettings) -> bytes:
    """The `envoy.service.auth.v3.CheckResponse` for a decision, serialised."""
    if isinstance(decision, Allowed):
        return _allow(call, decision, legacy=settings.legacy_rate_limit_headers)
    return _deny(call, decision, settings)


# Allowed ------------------------------------------------------------------------------------------
# Made for every call, so what is alike in all answers to a key's calls of one kind is serialised
# once, and the rest is put behind it: a message that occurs twice is merged by whoever parses it.


def _allow(call: Call, allowed: Allowed, *, legacy: bool) -> bytes:
    record = allowed.record
    kind = (
        call.metric,
        call.units,
        call.credential_carriers,
        call.credential_parameters,
        call.spoofed_headers,
    )
    alike = record.answers.get(kind)
    if alike is None:
        # The caller chooses the kinds, by the headers it forges: so few are kept.
        if len(record.answers) >= _KINDS_MAX:
            record.answers.clear()
        alike = record.answers[kind] = _alike(call, allowed)
    before, between, after = alike
    decision_id = allowed.decision_id.encode()
    value = _limits_value(allowed, call.metric)
    parts: tuple[bytes, ...] = (
        before,
        decision_id,
        between,
        decision_id,
        after,
        _LIMITS_OPENINGS[len(value)],
        value,
        _OVERWRITE_FIELDS,
    )
    if legacy:
        headers = rate_limit_headers(limits_of(allowed, call.metric), legacy=True)[2:]
        options = b"".join(_header_option(name, text.encode()) for name, text in headers)
        parts = (*parts, delimited(_OK_FIELD, options))
    return b"".join(parts)


def _limits_value(allowed: Allowed, metric: str) -> bytes:
    """The `RateLimit` header, as `limits_value(limits_of(allowed, metric))` would have it."""
    tenant, full_after = allowed.record.tenant, allowed.burst_full_after
    interval = tenant.burst_interval
    burst_left = (interval * tenant.burst_capacity - full_after) // interval
    burst_seconds = -(-full_after // 1_000_000)
    included = tenant.included.get(metric, 0)
    if included < 0:
        return b'"burst";r=%d;t=%d, "rate";r=%d;t=60' % (
            burst_left,
            burst_seconds,
            allowed.rate_left,
        )
    now, left = allowed.now, included - allowed.used
    end = tenant.period_end if now < tenant.period_end else tenant.next_period_end
    return b'"burst";r=%d;t=%d, "rate";r=%d;t=60, "%b";r=%d;t=%d' % (
        burst_left,
        burst_seconds,
        allowed.rate_left,
        metric.encode(),
        max(0, left),
        -((now - end) // 1_000_000),
    )


def limits_of(allowed: Allowed, metric: str) -> list[Limit]:
    """The limits of an admitted call, as the caller sees them."""
    tenant = allowed.record.tenant
    limits = [
        burst_limit(tenant, allowed.burst_full_after),
        rate_limit(tenant, allowed.rate_left),
    ]
    quota = quota_limit(tenant, metric, allowed.used, allowed.now)
    return limits if quota is None else [*limits, quota]


def _alike(call: Call, allowed: Allowed) -> tuple[bytes, bytes, bytes]:
    """What stands before, between and after the two places of the decision id."""
    record = allowed.record
    response = external_auth_pb2.CheckResponse()
    response.status.SetInParent()
    ok = response.ok_response
    identity = record.identity
    _set_headers(
        ok.headers,
        [
            (TENANT_HEADER, identity.tenant),
            (PLAN_HEADER, identity.plan),
            (KEY_HEADER, identity.key),
        ],
    )
    # Envoy removes after it sets: an identity header in both lists would vanish.
    spoofed = [name for name in call.spoofed_headers if name not in _IDENTITY_HEADERS]
    ok.headers_to_remove.extend([*call.credential_carriers, *spoofed])
    ok.query_parameters_to_remove.extend(call.credential_parameters)
    _set_headers(
        ok.response_headers_to_add,
        [(POLICY_HEADER, policy_value(limits_of(allowed, call.metric)))],
    )
    place = "\x01" * len(allowed.decision_id)
    response.dynamic_metadata.update(
        _metadata(call, record.identity)
        | {"decision_id": place, "charge_id": place, "units": str(call.units)}
    )
    before, between, after = response.SerializeToString().split(place.encode())
    return before, between, after


def _header_option(name: str, value: bytes) -> bytes:
    """One `response_headers_to_add` of OkHttpResponse, as `_set_headers` would write it."""
    header = delimited(1, name.encode()) + delimited(2, value)
    return delimited(_CALLER_HEADERS_FIELD, delimited(1, header) + _OVERWRITE_FIELDS)


# Denied -------------------------------------------------------------------------------------------


def _deny(call: Call, denied: Denied, settings: ExtAuthzSettings) -> bytes:
    response = external_auth_pb2.CheckResponse()
    told = problem.PROBLEMS[denied.reason]
    # A status other than OK makes it a denial, also where Envoy speaks plain TCP.
    response.status.code = told.grpc_status
    response.status.message = denied.reason
    refusal = response.denied_response
    refusal.status.code = told.http_status
    headers = [("content-type", problem.CONTENT_TYPE), ("cache-control", "no-store")]
    if denied.retry_after_seconds:
        headers.append(("retry-after", str(denied.retry_after_seconds)))
    if told.http_status == 401:  # noqa: PLR2004 - RFC 9110 wants the challenge
        headers.append(("www-authenticate", "Bearer"))
    if call.is_grpc:
        # Left alone, Envoy turns 429 into UNAVAILABLE, which clients retry at once. The body
        # becomes `grpc-message`.
        headers.append(("grpc-status", str(told.grpc_status)))
        refusal.body = f"{denied.reason}: {told.detail}"
    else:
        refusal.body = problem.body(denied, call.metric, settings.upgrade_url).decode()
    headers += rate_limit_headers(denied.limits, legacy=settings.legacy_rate_limit_headers)
    _set_headers(refusal.headers, headers)
    response.dynamic_metadata.update(
        _metadata(call, denied.identity)
        | {"decision_id": denied.decision_id, "reason": denied.reason}
    )
    data: bytes = response.SerializeToString()
    return data


def _set_headers(field: Any, headers: Iterable[tuple[str, str]]) -> None:
    for key, value in headers:
        option = field.add()
        option.header.key = key
        option.header.value = value
        option.append.value = False
        option.append_action = _OVERWRITE


def _metadata(call: Call, identity: Identity) -> dict[str, str]:
    """For the access log. Strings, since Envoy's metadata knows numbers only as doubles."""
    metadata = {
        "tenant": identity.tenant,
        "key": identity.key,
        "plan": identity.plan,
        "metric": call.metric,
    }
    return {name: value for name, value in metadata.items() if value}


def _overwrite_fields() -> bytes:
    option = base_pb2.HeaderValueOption(append_action=_OVERWRITE)
    option.append.value = False
    data: bytes = option.SerializeToString()
    return data


_OVERWRITE_FIELDS = _overwrite_fields()
# What stands before a `RateLimit` value of each length: four nested lengths, counted once.
_LIMITS_OPENINGS = [
    delimited(_OK_FIELD, _header_option(LIMITS_HEADER, b"x" * size)).removesuffix(
        b"x" * size + _OVERWRITE_FIELDS
    )
    for size in range(LIMITS_VALUE_BYTES_MAX)
]
# Honest callers send one kind, or one per way of sending the key.
_KINDS_MAX = 16
