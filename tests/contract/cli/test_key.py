from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from tollkeeper import credential

if TYPE_CHECKING:
    from tests.support.cli import Cli

pytestmark = pytest.mark.xdist_group("stack")


def test_create_prints_the_key_and_what_is_known_of_it(cli: Cli, tenant: dict[str, Any]) -> None:
    made = cli.json("key", "create", tenant["name"], "--name", "ci")

    assert list(made) == [
        "id",
        "key",
        "tenant_id",
        "name",
        "environment",
        "hint",
        "scopes",
        "status",
        "created_at",
        "expires_at",
    ]
    assert made["id"].startswith("key_")
    assert (made["tenant_id"], made["name"], made["status"]) == (tenant["id"], "ci", "active")
    assert (made["environment"], made["scopes"], made["expires_at"]) == ("live", ["*"], None)
    parsed = credential.parse(made["key"])
    assert parsed is not None
    assert parsed.partition == tenant["partition"]
    assert made["key"].startswith("tk_live_")


def test_create_obeys_its_options(cli: Cli, tenant: dict[str, Any]) -> None:
    made = cli.json(
        *("key", "create", tenant["id"], "--test", "--expires", "12h"),
        *("--scope", "agents:run", "--scope", "usage:read"),
    )

    assert made["key"].startswith("tk_test_")
    assert made["environment"] == "test"
    assert sorted(made["scopes"]) == ["agents:run", "usage:read"]
    left = datetime.fromisoformat(made["expires_at"]) - datetime.now(UTC)
    assert timedelta(hours=11, minutes=58) < left < timedelta(hours=12, minutes=2)


def test_people_get_the_key_a_curl_line_and_a_warning(cli: Cli, tenant: dict[str, Any]) -> None:
    lines = cli.text("key", "create", tenant["id"]).splitlines()

    (key,) = (line.strip() for line in lines if credential.parse(line.strip()))
    gateway = cli.stack.endpoints["gateway"]
    assert f"  curl -i {gateway}/hello -H 'authorization: Bearer {key}'" in lines
    assert any("shown once" in line for line in lines)


def test_list_shows_hints_and_never_a_key(cli: Cli, tenant: dict[str, Any]) -> None:
    first, second = (cli.json("key", "create", tenant["id"]) for _ in range(2))

    listed = cli.json("key", "list", tenant["id"])["keys"]
    shown = cli.text("key", "list", tenant["id"])

    assert [key["id"] for key in listed] == [first["id"], second["id"]]
    assert listed[0] == {
        **{field: value for field, value in first.items() if field != "key"},
        "revoked_at": None,
    }
    for key in (first, second):
        assert key["hint"] in shown
        assert key["key"] not in shown
        assert key["key"] not in str(listed)


def test_revoke_is_final_and_may_be_repeated(cli: Cli, tenant: dict[str, Any]) -> None:
    made = cli.json("key", "create", tenant["id"])

    revoked = cli.json("key", "revoke", made["id"])

    assert (revoked["id"], revoked["status"]) == (made["id"], "revoked")
    assert revoked["revoked_at"] is not None
    assert cli.json("key", "revoke", made["id"]) == revoked
    assert cli.json("key", "list", tenant["id"])["keys"] == [revoked]


def test_an_unknown_tenant_or_key_is_named(cli: Cli, name: str) -> None:
    assert name in cli.error("key", "create", name)
    assert name in cli.error("key", "list", name)
    assert "key_nobody" in cli.error("key", "revoke", "key_nobody")


@pytest.mark.parametrize(
    "options",
    [
        ["--expires", "soon"],
        ["--expires", "2001-01-01"],
        ["--scope", "No Spaces"],
        ["--scope", ""],
        ["--name", "a" * 129],
    ],
)
def test_a_bad_option_is_one_line(cli: Cli, tenant: dict[str, Any], options: list[str]) -> None:
    assert cli.error("key", "create", tenant["id"], *options)
    assert cli.json("key", "list", tenant["id"]) == {"keys": []}
