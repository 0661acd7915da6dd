"""From a Decision to Envoy's CheckResponse. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from envoy.config.core.v3 import base_pb2
from envoy.service.auth.v3 import external_auth_pb2

from ext_authz import problem
from ext_authz.decision import Allowed, Decision, Denied
from ext_authz.rate_limit_headers import rate_limit_headers

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ext_authz.call import Call

TENANT_HEADER = "x-tollkeeper-tenant"
PLAN_HEADER = "x-tollkeeper-plan"
KEY_HEADER = "x-tollkeeper-key"
_IDENTITY_HEADERS = frozenset({TENANT_HEADER, PLAN_HEADER, KEY_HEADER})

# Envoy 1.37.0 took an unset `append` for true and left the client's own header beside ours, so
# both the old and the new field are always set.
_OVERWRITE = base_pb2.HeaderValueOption.OVERWRITE_IF_EXISTS_OR_ADD


def respond(call: Call, decision: Decision, *, upgrade_url: str, legacy_headers: bool) -> Any:
    """The `envoy.service.auth.v3.CheckResponse` for a decision."""
    response = external_auth_pb2.CheckResponse()
    match decision:
        case Allowed():
            _allow(response, call, decision, legacy_headers=legacy_headers)
        case Denied():
            _deny(response, call, decision, upgrade_url, legacy_headers=legacy_headers)
    response.dynamic_metadata.update(_metadata(call, decision))
    return response


def _allow(response: Any, call: Call, allowed: Allowed, *, legacy_headers: bool) -> None:
    identity = allowed.identity
    ok = response.ok_response
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
        ok.response_headers_to_add, rate_limit_headers(allowed.limits, legacy=legacy_headers)
    )


def _deny(
    response: Any, call: Call, denied: Denied, upgrade_url: str, *, legacy_headers: bool
) -> None:
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
        refusal.body = problem.body(denied, call.metric, upgrade_url).decode()
    headers += rate_limit_headers(denied.limits, legacy=legacy_headers)
    _set_headers(refusal.headers, headers)


def _set_headers(field: Any, headers: Iterable[tuple[str, str]]) -> None:
    for key, value in headers:
        option = field.add()
        option.header.key = key
        option.header.value = value
        option.append.value = False
        option.append_action = _OVERWRITE


def _metadata(call: Call, decision: Decision) -> dict[str, str]:
    """For the access log. Strings, since Envoy's metadata knows numbers only as doubles."""
    identity = decision.identity
    metadata = {
        "decision_id": decision.decision_id,
        "tenant": identity.tenant,
        "key": identity.key,
        "plan": identity.plan,
        "metric": call.metric,
    }
    match decision:
        case Allowed():
            metadata |= {"charge_id": decision.decision_id, "units": str(call.units)}
        case Denied():
            metadata["reason"] = decision.reason
    return {name: value for name, value in metadata.items() if value}
