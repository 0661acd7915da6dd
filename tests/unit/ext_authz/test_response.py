"""What Envoy is told, for every reason."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from envoy.config.core.v3 import base_pb2
from envoy.service.auth.v3 import external_auth_pb2
from hypothesis import given
from hypothesis import strategies as st

from ext_authz.decision import Allowed, Decision, Denied, Identity, Limit, Reason
from ext_authz.rate_limit_headers import limits_value
from ext_authz.records import KeyRecord, TenantRecord
from ext_authz.request import read_call
from ext_authz.response import limits_of, respond
from ext_authz.settings import ExtAuthzSettings
from tests.support.checks import check_request
from tests.support.frozen_gate import NEXT_PERIOD_END, PERIOD_END, PERIOD_START

IDENTITY = Identity("tn_1", "key_1", "standard")
LIMITS = (Limit("burst", 20, 2, 19, 1), Limit("rate", 300, 60, 250, 60))

STATUS = [
    (Reason.CREDENTIAL_MISSING, 401, 16),
    (Reason.CREDENTIAL_MALFORMED, 401, 16),
    (Reason.PATH_MALFORMED, 400, 3),
    (Reason.CREDENTIAL_UNKNOWN, 401, 16),
    (Reason.CREDENTIAL_REVOKED, 401, 16),
    (Reason.CREDENTIAL_EXPIRED, 401, 16),
    (Reason.TENANT_SUSPENDED, 403, 7),
    (Reason.SCOPE_MISSING, 403, 7),
    (Reason.BURST_EXCEEDED, 429, 8),
    (Reason.RATE_EXCEEDED, 429, 8),
    (Reason.QUOTA_EXCEEDED, 429, 8),
]


def record(plan: str = "standard") -> KeyRecord:
    tenant = TenantRecord(
        tenant_id="tn_1",
        partition=17,
        plan=plan,
        status="active",
        burst_interval=100_000,
        burst_capacity=20,
        rate_per_minute=300,
        period_start=PERIOD_START,
        period_end=PERIOD_END,
        next_period_end=NEXT_PERIOD_END,
        limits={"api_calls": 1_000, "llm_tokens": -1},
        included={"api_calls": 1_000, "llm_tokens": -1},
    )
    return KeyRecord("key_1", "active", frozenset("*"), None, tenant, IDENTITY)


def allowed(
    now: int = PERIOD_START, full_after: int = 0, left: int = 250, used: int = 1
) -> Allowed:
    return Allowed("dec_1", record(), now, full_after, left, used)


def answer(
    decision: Decision, *headers: tuple[str, str], legacy: bool = False, **options: Any
) -> Any:
    call = read_call(check_request(*headers, **options).SerializeToString())
    settings = ExtAuthzSettings(
        upgrade_url="https://example.test/plans", legacy_rate_limit_headers=legacy
    )
    return external_auth_pb2.CheckResponse.FromString(respond(call, decision, settings))


def headers_of(options: Any) -> dict[str, str]:
    assert all(
        option.HasField("append")
        and not option.append.value
        and option.append_action == base_pb2.HeaderValueOption.OVERWRITE_IF_EXISTS_OR_ADD
        for option in options
    )
    return {option.header.key: option.header.value for option in options}


def test_every_reason_has_its_status_here() -> None:
    assert [reason for reason, _, _ in STATUS] == list(Reason)


@pytest.mark.parametrize(("reason", "http_status", "grpc_status"), STATUS)
def test_a_refusal_names_its_reason(reason: Reason, http_status: int, grpc_status: int) -> None:
    response = answer(Denied("dec_1", reason))
    assert response.WhichOneof("http_response") == "denied_response"
    assert response.status.code == grpc_status
    refusal = response.denied_response
    assert refusal.status.code == http_status
    body = orjson.loads(refusal.body)
    assert body["type"] == f"urn:tollkeeper:problem:{reason}"
    assert body["status"] == http_status
    assert body["reason"] == reason
    assert body["decision_id"] == "dec_1"
    headers = headers_of(refusal.headers)
    assert headers["content-type"] == "application/problem+json"
    assert "grpc-status" not in headers
    assert ("www-authenticate" in headers) == (http_status == 401)


@pytest.mark.parametrize(("reason", "_", "grpc_status"), STATUS)
def test_a_grpc_caller_gets_its_status(reason: Reason, _: int, grpc_status: int) -> None:
    response = answer(Denied("dec_1", reason), ("content-type", "application/grpc+proto"))
    headers = headers_of(response.denied_response.headers)
    assert headers["grpc-status"] == str(grpc_status)
    assert response.denied_response.body.startswith(f"{reason}: ")


def test_a_limit_says_which_one_and_when_to_come_back() -> None:
    response = answer(Denied("dec_1", Reason.RATE_EXCEEDED, IDENTITY, LIMITS, 42))
    headers = headers_of(response.denied_response.headers)
    assert headers["retry-after"] == "42"
    assert headers["ratelimit-policy"] == '"burst";q=20;w=2, "rate";q=300;w=60'
    assert headers["ratelimit"] == '"burst";r=19;t=1, "rate";r=250;t=60'
    body = orjson.loads(response.denied_response.body)
    assert body["violated-policies"] == ["rate"]
    assert body["retry_after_seconds"] == 42
    assert "upgrade_url" not in body


def test_a_used_up_quota_says_where_to_buy_more() -> None:
    response = answer(Denied("dec_1", Reason.QUOTA_EXCEEDED, IDENTITY, LIMITS, 42))
    body = orjson.loads(response.denied_response.body)
    assert body["violated-policies"] == ["api_calls"]
    assert body["upgrade_url"] == "https://example.test/plans"


def test_the_api_sees_who_calls_but_not_the_credential() -> None:
    response = answer(allowed(), ("x-api-key", "tk_live_x"))
    ok = response.ok_response
    assert response.status.code == 0
    assert headers_of(ok.headers) == {
        "x-tollkeeper-tenant": "tn_1",
        "x-tollkeeper-plan": "standard",
        "x-tollkeeper-key": "key_1",
    }
    assert list(ok.headers_to_remove) == ["x-api-key"]
    assert set(headers_of(ok.response_headers_to_add)) == {"ratelimit-policy", "ratelimit"}


def test_spoofed_headers_are_overwritten_or_removed_never_both() -> None:
    spoofed = [("x-tollkeeper-tenant", "tn_2"), ("x-tollkeeper-admin", "yes")]
    ok = answer(allowed(), ("authorization", "Bearer k"), *spoofed).ok_response
    assert list(ok.headers_to_remove) == ["authorization", "x-tollkeeper-admin"]
    assert headers_of(ok.headers)["x-tollkeeper-tenant"] == "tn_1"


def test_a_key_in_the_query_is_removed_there() -> None:
    response = answer(allowed(), path="/v1?api_key=tk_live_x&a=b")
    assert list(response.ok_response.query_parameters_to_remove) == ["api_key"]


@pytest.mark.parametrize("metric", ["api_calls", "llm_tokens", "teapots"])
@given(
    now=st.integers(PERIOD_START, NEXT_PERIOD_END - 1),
    full_after=st.integers(0, 2_000_000),
    left=st.integers(0, 10**6),
    used=st.integers(0, 2_000),
)
def test_the_short_way_to_the_limits_header_says_the_same_as_the_long_one(
    metric: str, now: int, full_after: int, left: int, used: int
) -> None:
    decision = allowed(now, full_after, left, used)
    response = answer(decision, extensions={"metric": metric})
    headers = headers_of(response.ok_response.response_headers_to_add)
    assert headers["ratelimit"] == limits_value(limits_of(decision, metric))


def test_the_access_log_learns_the_charge_and_only_of_an_admitted_call() -> None:
    metadata = dict(answer(allowed()).dynamic_metadata)
    assert metadata == {
        "decision_id": "dec_1",
        "charge_id": "dec_1",
        "tenant": "tn_1",
        "key": "key_1",
        "plan": "standard",
        "metric": "api_calls",
        "units": "1",
    }
    denied = dict(answer(Denied("dec_1", Reason.BURST_EXCEEDED, IDENTITY)).dynamic_metadata)
    assert "charge_id" not in denied
    assert denied["reason"] == "burst_exceeded"


def test_the_older_headers_are_an_option() -> None:
    response = answer(Denied("dec_1", Reason.RATE_EXCEEDED, IDENTITY, LIMITS, 1), legacy=True)
    headers = headers_of(response.denied_response.headers)
    assert headers["x-ratelimit-limit"] == "20"
    assert headers["x-ratelimit-remaining"] == "19"
    assert headers["x-ratelimit-reset"] == "1"
