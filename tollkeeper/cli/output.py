"""What a command prints: tables for people, one JSON document for programs."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import orjson
from rich.console import Console
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from rich.console import RenderableType

# Into a file or a pipe nothing is wrapped or cut: wider than any table here.
_WIDTH_PIPED = 240
_STATUS_STYLES = {"active": "green", "suspended": "yellow", "revoked": "red"}


def print_json(document: dict[str, Any]) -> None:
    sys.stdout.buffer.write(orjson.dumps(document, option=orjson.OPT_APPEND_NEWLINE))
    sys.stdout.buffer.flush()


def print_people(*parts: RenderableType) -> None:
    """Print with colour on a terminal, plain elsewhere; text of users is never read as markup."""
    width = None if sys.stdout.isatty() else _WIDTH_PIPED
    console = Console(width=width, markup=False, emoji=False, highlight=False)
    for part in parts:
        # A key or a command that is broken over two lines cannot be copied.
        console.print(part, soft_wrap=isinstance(part, str | Text))


def table(columns: Sequence[str], rows: Iterable[Sequence[RenderableType]]) -> Table:
    """Columns whose name begins with `>` are aligned to the right."""
    made = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 3, 0, 0))
    for column in columns:
        right = column.startswith(">")
        made.add_column(
            column.removeprefix(">"), justify="right" if right else "left", overflow="fold"
        )
    for row in rows:
        made.add_row(*row)
    return made


def fields(pairs: Iterable[tuple[str, RenderableType]]) -> Table:
    """One thing, a line for each of its properties."""
    made = Table.grid(padding=(0, 3, 0, 0))
    made.add_column(style="bold")
    made.add_column(overflow="fold")
    for name, value in pairs:
        made.add_row(name, value)
    return made


def status_text(status: str) -> Text:
    return Text(status, style=_STATUS_STYLES.get(status, ""))
