from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ledger.migrations import migrate_database
from tests.support.ledger_process import heard_until, positioned, query, running
from tollkeeper.runtime.errors import OperatorError

if TYPE_CHECKING:
    from pathlib import Path

    from ledger.settings import LedgerSettings

_BEFORE = """
small:
  name: Small
  base_price: 1 USD
  limits: {burst_per_second: 10, burst_capacity: 20, rate_per_minute: 300}
  quotas: {api_calls: {included: 100, cap: hard}}
other:
  name: Other
  base_price: 2 USD
  limits: {burst_per_second: 10, burst_capacity: 20, rate_per_minute: 300}
  quotas: {api_calls: {included: 200, cap: hard}}
"""
_AFTER = _BEFORE.replace("included: 100", "included: 150")


async def test_a_changed_plan_reaches_the_gate_and_an_unchanged_one_is_left_alone(
    settings: LedgerSettings, tmp_path: Path
) -> None:
    await migrate_database(settings.postgres_url)
    async with running(_with_plans(settings, tmp_path, _BEFORE)) as ledger:
        small = await ledger.tenant("small", plan="small")
        await ledger.tenant("other", plan="other")
    await query(settings.postgres_url, "DELETE FROM ledger.policy_outbox")

    async with running(_with_plans(settings, tmp_path, _BEFORE)):
        pass
    outbox = "SELECT subject FROM ledger.policy_outbox"
    assert await query(settings.postgres_url, outbox) == []

    async with running(_with_plans(settings, tmp_path, _AFTER)) as ledger:
        assert await query(settings.postgres_url, outbox) == [(small.id,)]
        [message] = await heard_until(ledger.watch(), positioned)
    limits = {change.tenant.plan: change.tenant.quotas[0].limit for change in message.changes}
    assert limits == {"small": 150, "other": 200}


async def test_a_plan_with_tenants_cannot_vanish(settings: LedgerSettings, tmp_path: Path) -> None:
    await migrate_database(settings.postgres_url)
    async with running(_with_plans(settings, tmp_path, _BEFORE)) as ledger:
        await ledger.tenant("acme", plan="other")
    without = _BEFORE[: _BEFORE.index("other:")]

    with pytest.raises(OperatorError, match=r"lacks plans that tenants are on: other \(1 tenants"):
        async with running(_with_plans(settings, tmp_path, without)):
            pass

    await query(settings.postgres_url, "UPDATE ledger.tenants SET plan_id = 'small'")
    async with running(_with_plans(settings, tmp_path, without)):
        assert await query(settings.postgres_url, "SELECT id FROM ledger.plans") == [("small",)]


async def test_a_bad_plan_file_stops_the_start_with_every_fault(
    settings: LedgerSettings, tmp_path: Path
) -> None:
    text = _BEFORE.replace("cap: hard", "cap: sotf")

    with pytest.raises(OperatorError) as raised:
        async with running(_with_plans(settings, tmp_path, text)):
            pass

    assert str(raised.value).splitlines() == [
        f"{tmp_path}/plans.yaml:6: small.quotas.api_calls.cap: must be hard, soft or none",
        f"{tmp_path}/plans.yaml:11: other.quotas.api_calls.cap: must be hard, soft or none",
    ]


@pytest.mark.parametrize(
    ("content", "why"), [(None, "No such file"), (b"\xff\xfe\x00", "is not UTF-8")]
)
async def test_an_unreadable_plan_file_stops_the_start(
    settings: LedgerSettings, tmp_path: Path, content: bytes | None, why: str
) -> None:
    path = tmp_path / "plans.yaml"
    if content is not None:
        path.write_bytes(content)

    with pytest.raises(OperatorError, match=why):
        async with running(settings.model_copy(update={"plans_file": path})):
            pass


def _with_plans(settings: LedgerSettings, folder: Path, text: str) -> LedgerSettings:
    path = folder / "plans.yaml"
    path.write_text(text)
    return settings.model_copy(update={"plans_file": path})
