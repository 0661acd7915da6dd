"""`tollkeeper key`: the API keys of a tenant."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.text import Text

from tollkeeper.api.ledger.v1 import keys_pb2 as pb
from tollkeeper.cli.context import (
    DirOption,
    JsonOption,
    TenantArgument,
    command_line,
    gateway_url,
    ledger_address,
)
from tollkeeper.cli.ledger_client import open_ledger
from tollkeeper.cli.moments import moment_json, moment_text, parse_expiry, to_timestamp
from tollkeeper.cli.output import fields, print_json, print_people, status_text, table
from tollkeeper.runtime.clock import system_clock

if TYPE_CHECKING:
    from rich.console import RenderableType

app = typer.Typer(help="API keys: mint, list, revoke.", no_args_is_help=True)


@app.command()
def create(
    ctx: typer.Context,
    tenant: TenantArgument,
    *,
    name: Annotated[str, typer.Option(help="A label for people.", show_default=False)] = "",
    test: Annotated[
        bool, typer.Option("--test", help="Mint tk_test_… rather than tk_live_….")
    ] = False,
    scope: Annotated[
        list[str] | None,
        typer.Option(help="What the key may do; repeatable (default: everything)."),
    ] = None,
    expires: Annotated[
        str | None,
        typer.Option(
            metavar="ISO8601|30d|12h", help="A time, or how long the key lives (default: for ever)."
        ),
    ] = None,
    directory: DirOption = None,
    as_json: JsonOption = False,
) -> None:
    """Mint a key. It is shown now and never again."""
    line = command_line(ctx, directory, as_json=as_json)
    request = pb.CreateKeyRequest(
        tenant=tenant,
        name=name,
        environment=pb.KEY_ENVIRONMENT_TEST if test else pb.KEY_ENVIRONMENT_LIVE,
        scopes=scope or [],
        expires_at=(
            to_timestamp(parse_expiry(expires, system_clock())) if expires is not None else None
        ),
    )
    address = ledger_address(line)
    with open_ledger(address) as ledger:
        made = ledger.call(ledger.keys.CreateKey, request)
    if line.json:
        document = key_json(made.key)
        # A key that was just made cannot be revoked; programs find the key right after its id.
        del document["revoked_at"]
        print_json({"id": document.pop("id"), "key": made.secret, **document})
    else:
        _announce(made, gateway_url(line, address))


@app.command("list")
def list_(
    ctx: typer.Context,
    tenant: TenantArgument,
    *,
    directory: DirOption = None,
    as_json: JsonOption = False,
) -> None:
    """List a tenant's keys, oldest first, revoked ones too."""
    line = command_line(ctx, directory, as_json=as_json)
    with open_ledger(ledger_address(line)) as ledger:
        keys = ledger.call(ledger.keys.ListKeys, pb.ListKeysRequest(tenant=tenant)).keys
    if line.json:
        print_json({"keys": [key_json(key) for key in keys]})
        return
    if not keys:
        print_people(f"No keys yet: `tollkeeper key create {tenant}` mints one.")
        return
    rows = (
        (
            key.id,
            key.hint,
            key.name,
            _environment(key),
            " ".join(key.scopes),
            status_text(_status(key)),
            _expiry_text(key),
        )
        for key in keys
    )
    print_people(table(("ID", "KEY", "NAME", "ENVIRONMENT", "SCOPES", "STATUS", "EXPIRES"), rows))


@app.command()
def revoke(
    ctx: typer.Context,
    key_id: Annotated[str, typer.Argument(help="As `tollkeeper key list` shows it.")],
    *,
    directory: DirOption = None,
    as_json: JsonOption = False,
) -> None:
    """Refuse a key's calls with 401, within a second and for good."""
    line = command_line(ctx, directory, as_json=as_json)
    with open_ledger(ledger_address(line)) as ledger:
        key = ledger.call(ledger.keys.RevokeKey, pb.RevokeKeyRequest(key_id=key_id))
    if line.json:
        print_json(key_json(key))
    else:
        print_people(fields(_pairs(key)))


def key_json(key: pb.Key) -> dict[str, Any]:
    return {
        "id": key.id,
        "tenant_id": key.tenant_id,
        "name": key.name,
        "environment": _environment(key),
        "hint": key.hint,
        "scopes": list(key.scopes),
        "status": _status(key),
        "created_at": moment_json(key.created_at),
        "expires_at": moment_json(key.expires_at) if key.HasField("expires_at") else None,
        "revoked_at": moment_json(key.revoked_at) if key.HasField("revoked_at") else None,
    }


def _announce(made: pb.CreateKeyResponse, gateway: str | None) -> None:
    origin = gateway or "https://YOUR-GATEWAY"
    print_people(
        fields(_pairs(made.key)),
        "",
        Text(f"  {made.secret}", style="bold green"),
        "",
        Text("Copy it now: it is shown once and stored nowhere.", style="bold yellow"),
        "",
        f"  curl -i {origin}/hello -H 'authorization: Bearer {made.secret}'",
    )


def _pairs(key: pb.Key) -> list[tuple[str, RenderableType]]:
    pairs: list[tuple[str, RenderableType]] = [
        ("Key", key.id),
        ("Tenant", key.tenant_id),
        ("Name", key.name or "—"),
        ("Environment", _environment(key)),
        ("Scopes", " ".join(key.scopes)),
        ("Status", status_text(_status(key))),
        ("Expires", _expiry_text(key)),
    ]
    if key.HasField("revoked_at"):
        pairs.append(("Revoked", moment_text(key.revoked_at)))
    return pairs


def _expiry_text(key: pb.Key) -> str:
    return moment_text(key.expires_at) if key.HasField("expires_at") else "never"


def _environment(key: pb.Key) -> str:
    return pb.KeyEnvironment.Name(key.environment).removeprefix("KEY_ENVIRONMENT_").lower()


def _status(key: pb.Key) -> str:
    return pb.KeyStatus.Name(key.status).removeprefix("KEY_STATUS_").lower()
