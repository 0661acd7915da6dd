"""Groups of commands that are imported when one of theirs is called, so that the rest starts fast.

A group that cannot be imported (`envoy` without the wheels, for one) breaks only itself.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

import typer
from typer.core import TyperGroup

if TYPE_CHECKING:
    from typer._click import Command, Context

_GROUPS = {
    "tenant": "Tenants: open, look at, suspend, move.",
    "key": "API keys: mint, list, revoke.",
    "plan": "Plans: the catalogue.",
    "usage": "Usage: what was consumed of what is included.",
    "envoy": "Envoy's configuration.",
}


class LazyGroups(TyperGroup):
    """`tollkeeper.cli.<name>.app` for each name above."""

    def list_commands(self, ctx: Context) -> list[str]:
        return [*super().list_commands(ctx), *_GROUPS]

    def get_command(self, ctx: Context, cmd_name: str) -> Command | None:
        """For help: a group of which only the name and one line are known."""
        if cmd_name in _GROUPS and cmd_name not in self.commands:
            return TyperGroup(name=cmd_name, help=_GROUPS[cmd_name])
        return super().get_command(ctx, cmd_name)

    def resolve_command(
        self, ctx: Context, args: list[str]
    ) -> tuple[str | None, Command | None, list[str]]:
        """For a call: the group itself."""
        name = args[0]
        if name in _GROUPS and name not in self.commands:
            group = typer.main.get_command(import_module(f"tollkeeper.cli.{name}").app)
            group.name = name
            self.commands[name] = group
        return super().resolve_command(ctx, args)
