"""The named queries of `queries.sql`, as functions."""

from __future__ import annotations

from importlib.resources import files
from typing import Any

import aiosql

queries: Any = aiosql.from_str(files("ledger").joinpath("sql/queries.sql").read_text(), "asyncpg")
