"""One command per process. Each imports its service when called, so that the others start fast."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from tollkeeper.runtime.settings import Settings

S = TypeVar("S", bound="Settings")

CheckConfig = Annotated[
    bool,
    typer.Option(
        "--check-config", help="Read the settings, print OK or every fault, and do not start."
    ),
]


def ext_authz(
    *,
    workers: Annotated[
        int | None,
        typer.Option(
            help="Processes, one port or Unix socket each (TOLLKEEPER_WORKERS, else 1).",
            show_default=False,
        ),
    ] = None,
    transport: Annotated[
        str | None,
        typer.Option(
            help="wire or grpcio, the reference (TOLLKEEPER_TRANSPORT, else wire).",
            show_default=False,
        ),
    ] = None,
    check_config: CheckConfig = False,
) -> None:
    """Decide about requests: what Envoy asks. SIGHUP renews several workers one by one."""
    from ext_authz.server import serve  # noqa: PLC0415
    from ext_authz.settings import ExtAuthzSettings  # noqa: PLC0415

    given = {"workers": workers, "transport": transport}
    _run("ext-authz", ExtAuthzSettings, serve, check_config=check_config, given=given)


def courier(*, check_config: CheckConfig = False) -> None:
    """Carry charges to the ledger and policies to Redis."""
    from ext_authz.courier.process import serve  # noqa: PLC0415
    from ext_authz.courier.settings import CourierSettings  # noqa: PLC0415

    _run("courier", CourierSettings, serve, check_config=check_config)


def ledger(*, check_config: CheckConfig = False) -> None:
    """Keep tenants, keys, plans and usage."""
    from ledger.server import serve  # noqa: PLC0415
    from ledger.settings import LedgerSettings  # noqa: PLC0415

    _run("ledger", LedgerSettings, serve, check_config=check_config)


def webhooks(*, check_config: CheckConfig = False) -> None:
    """Receive the webhooks of payment providers."""
    from webhooks.server import serve  # noqa: PLC0415
    from webhooks.settings import WebhooksSettings  # noqa: PLC0415

    _run("webhooks", WebhooksSettings, serve, check_config=check_config)


def migrate(*, check_config: CheckConfig = False) -> None:
    """Bring the database to the form that this version needs."""
    from ledger.migrations import migrate_database as migrate_ledger  # noqa: PLC0415
    from ledger.settings import LedgerSettings  # noqa: PLC0415
    from tollkeeper.runtime import logs  # noqa: PLC0415
    from webhooks.migrations import migrate_database as migrate_webhooks  # noqa: PLC0415

    settings = LedgerSettings.read()
    if check_config:
        typer.echo("OK")
        return

    async def both() -> list[str]:
        return [
            *(f"ledger: {name}" for name in await migrate_ledger(settings.postgres_url)),
            *(f"webhooks: {name}" for name in await migrate_webhooks(settings.postgres_url)),
        ]

    logs.configure("migrate", settings)
    applied = asyncio.run(both())
    typer.echo("\n".join(applied) if applied else "nothing to do: the database is current")


def _run(
    process: str,
    settings_class: type[S],
    serve: Callable[[S, asyncio.Event], Awaitable[None]],
    *,
    check_config: bool,
    given: Mapping[str, Any] | None = None,
) -> None:
    """`given` are options of the command line, None where not used; they go before variables."""
    from tollkeeper.runtime import logs  # noqa: PLC0415
    from tollkeeper.runtime.lifecycle import run  # noqa: PLC0415

    options = {name: value for name, value in (given or {}).items() if value is not None}
    settings = settings_class.read(**options)
    if check_config:
        typer.echo("OK")
        return
    logs.configure(process, settings)
    raise typer.Exit(run(partial(serve, settings)))
