from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.support.cli import Cli

pytestmark = pytest.mark.xdist_group("stack")


def test_create_prints_the_whole_tenant(cli: Cli, name: str) -> None:
    made = cli.json("tenant", "create", name, "--plan", "standard")

    assert list(made) == ["id", "name", "plan", "status", "partition", "created_at"]
    assert made["id"].startswith("tn_")
    assert (made["name"], made["plan"], made["status"]) == (name, "standard", "active")
    assert 0 <= made["partition"] < 64
    age = datetime.now(UTC) - datetime.fromisoformat(made["created_at"])
    assert abs(age) < timedelta(minutes=1)


@pytest.mark.parametrize("field", ["id", "name"])
def test_show_finds_a_tenant_by_id_and_by_name(
    cli: Cli, tenant: dict[str, Any], field: str
) -> None:
    assert cli.json("tenant", "show", tenant[field]) == tenant


def test_list_has_every_tenant_oldest_first(cli: Cli, tenant: dict[str, Any]) -> None:
    tenants = cli.json("tenant", "list")["tenants"]

    assert tenant in tenants
    assert {"demo-free", "demo-standard", "demo-enterprise"} <= {one["name"] for one in tenants}
    assert [one["created_at"] for one in tenants] == sorted(one["created_at"] for one in tenants)


def test_suspend_and_resume_may_be_repeated(cli: Cli, tenant: dict[str, Any]) -> None:
    for command, status in [
        ("suspend", "suspended"),
        ("suspend", "suspended"),
        ("resume", "active"),
        ("resume", "active"),
    ]:
        assert cli.json("tenant", command, tenant["id"]) == {**tenant, "status": status}


@pytest.mark.parametrize("plan", [["enterprise"], ["--plan", "enterprise"]])
def test_set_plan_takes_an_argument_or_an_option(
    cli: Cli, tenant: dict[str, Any], plan: list[str]
) -> None:
    moved = cli.json("tenant", "set-plan", tenant["name"], *plan)

    assert moved == {**tenant, "plan": "enterprise"}
    assert cli.json("tenant", "show", tenant["id"]) == moved


def test_json_may_stand_before_the_subcommand(cli: Cli, tenant: dict[str, Any]) -> None:
    assert '"tenants"' in cli.text("--json", "tenant", "list")
    assert tenant["id"] in cli.text("--json", "tenant", "show", tenant["id"])


def test_people_see_names_and_no_colour_codes_in_a_pipe(cli: Cli, tenant: dict[str, Any]) -> None:
    listed = cli.text("tenant", "list")

    assert tenant["name"] in listed
    assert tenant["id"] in listed
    assert "\x1b" not in listed


@pytest.mark.parametrize("command", ["show", "suspend", "resume"])
def test_an_unknown_tenant_is_named(cli: Cli, name: str, command: str) -> None:
    assert name in cli.error("tenant", command, name)


def test_an_unknown_plan_is_named(cli: Cli, tenant: dict[str, Any], name: str) -> None:
    assert "platinum" in cli.error("tenant", "create", f"{name}-2", "--plan", "platinum")
    assert "platinum" in cli.error("tenant", "set-plan", tenant["id"], "platinum")


def test_a_name_is_given_once(cli: Cli, tenant: dict[str, Any]) -> None:
    assert tenant["name"] in cli.error("tenant", "create", tenant["name"], "--plan", "free")


@pytest.mark.parametrize("bad", ["", " ", "a" * 129, "line\nbreak"])
def test_an_ill_formed_name_is_refused(cli: Cli, bad: str) -> None:
    assert cli.error("tenant", "create", bad, "--plan", "free")


def test_a_plan_that_is_not_named_is_asked_for(cli: Cli, tenant: dict[str, Any]) -> None:
    assert "no plan is named" in cli.error("tenant", "set-plan", tenant["id"])
    assert "two plans" in cli.error("tenant", "set-plan", tenant["id"], "free", "--plan", "other")
