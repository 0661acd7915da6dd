"""Calls through a real Envoy: admitted, limited and refused by real decisions."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import grpc
import pytest

from tests.support.http import Answer, Caller
from tests.support.tenants import charges_left, new_key, new_tenant, used
from tests.support.until import until
from tollkeeper.api.ledger.v1.usage_pb2 import RecordUsageRequest, UsageEvent
from tollkeeper.api.ledger.v1.usage_pb2_grpc import UsageServiceStub
from tollkeeper.credential import mint

if TYPE_CHECKING:
    from tests.support.local_stack import LocalStack

REVOCATION_SECONDS = 1.0


@pytest.fixture(scope="module")
def tenant(stack: LocalStack) -> str:
    return new_tenant(stack, "enterprise")


@pytest.fixture(scope="module")
def key(stack: LocalStack, tenant: str) -> str:
    return new_key(stack, tenant).secret


def carriers(key: str) -> list[tuple[str, dict[str, str | bytes]]]:
    return [
        ("/v1/hello", {"x-api-key": key}),
        ("/v1/hello", {"authorization": f"Bearer {key}"}),
        (f"/v1/hello?a=b&api_key={key}", {}),
    ]


@pytest.mark.parametrize("carrier", [0, 1, 2], ids=["x-api-key", "bearer", "query"])
def test_the_api_sees_who_calls_but_not_the_credential(
    stack: LocalStack, tenant: str, carrier: int
) -> None:
    created = new_key(stack, tenant)
    path, headers = carriers(created.secret)[carrier]
    with Caller(stack.endpoints["gateway"]) as caller:
        answer = caller.get(path, headers)
    assert answer.status == 200
    seen = answer.json["headers"]
    assert seen["x-tollkeeper-tenant"] == tenant
    assert seen["x-tollkeeper-plan"] == "enterprise"
    assert seen["x-tollkeeper-key"] == created.id
    assert created.secret not in answer.body.decode()
    assert "authorization" not in seen
    assert "x-api-key" not in seen


def test_a_clients_own_identity_headers_never_reach_the_api(stack: LocalStack, key: str) -> None:
    spoofed: dict[str, str | bytes] = {
        "x-tollkeeper-tenant": "tn_somebody",
        "X-Tollkeeper-Plan": "free",
        "x-tollkeeper-admin": "yes",
    }
    with Caller(stack.endpoints["gateway"], key) as caller:
        answer = caller.get(headers=spoofed)
    assert answer.status == 200
    own = {
        name: value
        for name, value in answer.json["headers"].items()
        if name.lower().startswith("x-tollkeeper")
    }
    assert set(own) == {"x-tollkeeper-tenant", "x-tollkeeper-plan", "x-tollkeeper-key"}
    assert own["x-tollkeeper-tenant"].startswith("tn_")
    assert own["x-tollkeeper-tenant"] != "tn_somebody"
    assert own["x-tollkeeper-plan"] == "enterprise"


UNAUTHORISED = [
    # what, headers, reason; {key} is a good key, {unknown} a well-formed one that nobody minted
    ("no key", {}, "credential_missing"),
    ("garbage", {"x-api-key": b"garbage"}, "credential_malformed"),
    ("not UTF-8", {"x-api-key": b"tk_live_\xff\xfe"}, "credential_malformed"),
    ("two keys", {"x-api-key": b"{key}", "authorization": b"Bearer {key}"}, "credential_malformed"),
    ("unknown", {"authorization": b"Bearer {unknown}"}, "credential_unknown"),
]


@pytest.mark.parametrize(
    ("headers", "reason"), [case[1:] for case in UNAUTHORISED], ids=[c[0] for c in UNAUTHORISED]
)
def test_who_has_no_good_key_gets_401_and_the_reason(
    stack: LocalStack, key: str, headers: dict[str, bytes], reason: str
) -> None:
    unknown = mint("live", 17).text.encode()
    filled: dict[str, str | bytes] = {
        name: value.replace(b"{key}", key.encode()).replace(b"{unknown}", unknown)
        for name, value in headers.items()
    }
    with Caller(stack.endpoints["gateway"]) as caller:
        answer = caller.get(headers=filled)
    assert answer.status == 401
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["www-authenticate"] == "Bearer"
    assert answer.json["reason"] == reason
    assert answer.json["decision_id"].startswith("dec_")


def test_an_expired_key_gets_401(stack: LocalStack, tenant: str) -> None:
    expires = datetime.now(UTC) + timedelta(seconds=3)
    created = new_key(stack, tenant, "--expires", expires.isoformat())
    with Caller(stack.endpoints["gateway"], created.secret) as caller:
        answer = until(lambda: _refusal(caller), 5, "the key expires")
    assert datetime.now(UTC) >= expires
    assert answer.status == 401
    assert answer.json["reason"] == "credential_expired"


def test_a_revoked_key_gets_401_within_one_second(stack: LocalStack, tenant: str) -> None:
    created = new_key(stack, tenant)
    with Caller(stack.endpoints["gateway"], created.secret) as caller:
        assert caller.get().status == 200
        stack.tollkeeper("key", "revoke", created.id).check_returncode()
        answer = until(lambda: _refusal(caller), REVOCATION_SECONDS, "revocation")
        assert answer.status == 401
        assert answer.json["reason"] == "credential_revoked"


def test_a_suspended_tenant_gets_403_within_one_second_and_is_back_when_resumed(
    stack: LocalStack,
) -> None:
    tenant = new_tenant(stack, "standard")
    key = new_key(stack, tenant).secret
    with Caller(stack.endpoints["gateway"], key) as caller:
        stack.tollkeeper("tenant", "suspend", tenant).check_returncode()
        answer = until(lambda: _refusal(caller), REVOCATION_SECONDS, "suspension")
        assert answer.status == 403
        assert answer.json["reason"] == "tenant_suspended"
        stack.tollkeeper("tenant", "resume", tenant).check_returncode()
        until(lambda: caller.get().status == 200, REVOCATION_SECONDS, "resumption")


def test_another_plan_takes_effect_within_one_second(stack: LocalStack) -> None:
    tenant = new_tenant(stack, "standard")
    key = new_key(stack, tenant).secret
    with Caller(stack.endpoints["gateway"], key) as caller:
        stack.tollkeeper("tenant", "set-plan", tenant, "enterprise").check_returncode()
        until(
            lambda: caller.get().json["headers"]["x-tollkeeper-plan"] == "enterprise",
            REVOCATION_SECONDS,
            "the new plan",
        )


def test_a_burst_gets_429_and_retry_after_is_true(stack: LocalStack) -> None:
    key = new_key(stack, new_tenant(stack, "free")).secret
    with Caller(stack.endpoints["gateway"], key) as caller:
        answer = until(lambda: _refusal(caller), 10, "the end of the burst")
        assert answer.status == 429
        assert answer.json["reason"] == "burst_exceeded"
        assert answer.json["violated-policies"] == ["burst"]
        assert '"burst";q=20;w=2' in answer.headers["ratelimit-policy"]
        retry_after = int(answer.headers["retry-after"])
        assert retry_after >= 1
        # Asking in vain changes nothing, so it does not put the moment off.
        until(lambda: caller.get().status == 200, retry_after, "a call after Retry-After")


def test_an_admitted_caller_learns_its_limits(stack: LocalStack, key: str) -> None:
    with Caller(stack.endpoints["gateway"], key) as caller:
        headers = caller.get().headers
    assert headers["ratelimit-policy"].startswith('"burst";q=2000;w=2, "rate";q=30000;w=60, ')
    assert '"api_calls";r=' in headers["ratelimit"]


def test_a_used_up_quota_gets_429_until_the_period_ends(stack: LocalStack) -> None:
    tenant = new_tenant(stack, "free")
    key = new_key(stack, tenant).secret
    # 1,000 included and 10 % of grace.
    _record(stack, tenant, 1_100)
    with Caller(stack.endpoints["gateway"], key) as caller:
        answer = until(
            lambda: (
                (found := _refusal(caller)) and found.json["reason"] == "quota_exceeded" and found
            ),
            REVOCATION_SECONDS,
            "the quota is used up",
        )
    assert answer.status == 429
    assert answer.json["violated-policies"] == ["api_calls"]
    now = datetime.now(UTC)
    month_end = (now.replace(day=1) + timedelta(days=32)).replace(
        day=1, hour=0, minute=0, second=0, microsecond=0
    )
    assert abs(int(answer.headers["retry-after"]) - (month_end - now).total_seconds()) < 10


def test_grpc_callers_get_a_grpc_status(stack: LocalStack) -> None:
    target = stack.endpoints["gateway"].removeprefix("http://")
    with grpc.insecure_channel(target) as channel:
        call = channel.unary_unary("/shop.v1.Shop/Buy")
        with pytest.raises(grpc.RpcError) as caught:
            call(b"", timeout=5)
    assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED
    assert caught.value.details().startswith("credential_missing: Send your API key")


PATHS: list[tuple[str, bytes, set[int], str | None]] = [
    # what, path, statuses, what the API sees when it is asked
    ("two slashes", b"//admin//users", {200}, "/admin/users"),
    ("dot segments", b"/a/../admin", {200}, "/admin"),
    ("an escaped slash", b"/a%2Fadmin", {400}, None),
    ("an escaped backslash", b"/a%5Cadmin", {400}, None),
    ("NUL", b"/a\x00b", {400}, None),
    ("an escaped NUL", b"/a%00b", {400}, None),
    ("64 KB", b"/" + b"a" * 65_535, {431}, None),
    ("16 KiB and one", b"/" + b"a" * 16_384, {400}, None),
]


@pytest.mark.parametrize(
    ("path", "statuses", "seen"), [case[1:] for case in PATHS], ids=[case[0] for case in PATHS]
)
def test_the_api_never_sees_a_path_that_can_be_read_in_two_ways(
    stack: LocalStack, key: str, path: bytes, statuses: set[int], seen: str | None
) -> None:
    with Caller(stack.endpoints["gateway"], key) as caller:
        answer = caller.get(path)
    assert answer.status in statuses
    if seen is not None:
        assert answer.json["path"] == seen


def test_every_served_call_is_charged_and_no_other(stack: LocalStack) -> None:
    tenant = new_tenant(stack, "enterprise")
    key = new_key(stack, tenant).secret
    before = used(stack, tenant)
    with Caller(stack.endpoints["gateway"], key) as caller:
        statuses = [caller.get().status for _ in range(20)]
        statuses += [caller.get("/status/404").status for _ in range(3)]
        statuses += [caller.get("/status/500").status for _ in range(5)]
    assert statuses == [200] * 20 + [404] * 3 + [500] * 5
    until(lambda: charges_left(stack) == 0, 10, "all charges carried")
    # The caller's own mistakes count, the API's failures do not.
    assert used(stack, tenant) - before == 23


def _refusal(caller: Caller) -> Answer | None:
    answer = caller.get()
    return answer if answer.status != 200 else None


def _record(stack: LocalStack, tenant: str, units: int) -> None:
    event = UsageEvent(
        id="import-1", source="import", tenant_id=tenant, metric="api_calls", units=units
    )
    event.occurred_at.GetCurrentTime()
    with grpc.insecure_channel(stack.endpoints["ledger"]) as channel:
        UsageServiceStub(channel).RecordUsage(RecordUsageRequest(events=[event]), timeout=5)
