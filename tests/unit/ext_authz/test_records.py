"""Who may call at all, whatever the limits, and why not."""

from __future__ import annotations

import pytest

from ext_authz.records import KeyRecord, TenantRecord

NOW = 1_795_000_000_000_000

TENANT = {
    "status": "active",
    "plan": "standard",
    "burst_interval": "100000",
    "burst_capacity": "20",
    "rate_per_minute": "300",
    "period_start": "1793491200000000",
    "period_end": "1796083200000000",
    "next_period_end": "1798761600000000",
    "limit:api_calls": "1100",
    "included:api_calls": "1000",
}
KEY = {"tenant": "tn_1", "id": "key_1", "status": "active", "expires_at": "", "scopes": "*"}

CASES = [
    # what, key, tenant, scope asked, refusal
    ("active", {}, {}, "", None),
    ("revoked", {"status": "revoked"}, {}, "", "credential_revoked"),
    ("of unknown status", {"status": "unknown"}, {}, "", "credential_revoked"),
    ("expires in a microsecond", {"expires_at": str(NOW + 1)}, {}, "", None),
    ("expires now", {"expires_at": str(NOW)}, {}, "", "credential_expired"),
    ("expired", {"expires_at": str(NOW - 1)}, {}, "", "credential_expired"),
    ("suspended", {}, {"status": "suspended"}, "", "tenant_suspended"),
    ("tenant of unknown status", {}, {"status": "unknown"}, "", "tenant_suspended"),
    (
        "revoked wins over suspended",
        {"status": "revoked"},
        {"status": "suspended"},
        "",
        "credential_revoked",
    ),
    ("every scope", {}, {}, "admin", None),
    ("the scope", {"scopes": "read admin"}, {}, "admin", None),
    ("another scope", {"scopes": "read"}, {}, "admin", "scope_missing"),
    ("part of a scope", {"scopes": "admin.read"}, {}, "admin", "scope_missing"),
    ("no scope at all", {"scopes": ""}, {}, "admin", "scope_missing"),
    ("no scope, none asked", {"scopes": ""}, {}, "", None),
    ("suspended wins over scope", {"scopes": ""}, {"status": "suspended"}, "a", "tenant_suspended"),
]


@pytest.mark.parametrize(
    ("key", "tenant", "scope", "refusal"),
    [case[1:] for case in CASES],
    ids=[case[0] for case in CASES],
)
def test_refusal(
    key: dict[str, str], tenant: dict[str, str], scope: str, refusal: str | None
) -> None:
    record = KeyRecord.from_fields(KEY | key, TenantRecord.from_fields("tn_1", 17, TENANT | tenant))
    assert record.refusal(scope, NOW) == refusal


def test_a_metric_that_is_not_sold_has_no_unit() -> None:
    tenant = TenantRecord.from_fields("tn_1", 17, TENANT)
    assert tenant.limit("api_calls") == 1_100
    assert tenant.limit("teapots") == 0


@pytest.mark.parametrize("field", [name for name in TENANT if ":" not in name])
def test_a_record_that_lacks_a_field_is_no_record(field: str) -> None:
    with pytest.raises(KeyError):
        TenantRecord.from_fields("tn_1", 17, {k: v for k, v in TENANT.items() if k != field})
