"""The statements of `sql/queries.sql`, as coroutines that take a connection first."""

from __future__ import annotations

from importlib.resources import files
from typing import Any

import aiosql

queries: Any = aiosql.from_str(
    (files("webhooks") / "sql" / "queries.sql").read_text(encoding="utf-8"), "asyncpg"
)
