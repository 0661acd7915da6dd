"""The plan catalogue: read from its file, written to PostgreSQL."""

from __future__ import annotations

from importlib.resources import files
from typing import TYPE_CHECKING

import structlog

from ledger.domain.catalogue import Catalogue, parse_catalogue
from ledger.store.queries import queries
from tollkeeper.runtime.errors import OperatorError

if TYPE_CHECKING:
    from pathlib import Path

    import asyncpg

log = structlog.get_logger(__name__)


def read_catalogue(path: Path | None) -> Catalogue:
    """The catalogue at `path`, or else our own. Raises OperatorError that names its faults."""
    if path is None:
        return parse_catalogue(files("ledger").joinpath("plans.yaml").read_text(), "plans.yaml")
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise OperatorError(f"plan file {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise OperatorError(f"plan file {path}: is not UTF-8 text") from error
    return parse_catalogue(text, str(path))


async def store_catalogue(pool: asyncpg.Pool, catalogue: Catalogue) -> None:
    """Make the stored plans those of the catalogue, and tell the gate of tenants on changed ones.

    Raises OperatorError when a tenant is on a plan that the catalogue no longer has.
    """
    ids = [plan.id for plan in catalogue.plans]
    async with pool.acquire() as connection, connection.transaction():
        await queries.lock_catalogue(connection)
        left = [row async for row in queries.tenants_left_behind(connection, plan_ids=ids)]
        if left:
            plans = ", ".join(f"{row['plan_id']} ({row['tenants']} tenants)" for row in left)
            raise OperatorError(
                f"the plan file lacks plans that tenants are on: {plans}; bring them back, or "
                "move the tenants first"
            )
        changed = [
            row["id"]
            async for row in queries.store_plans(
                connection,
                ids=ids,
                digests=[plan.digest for plan in catalogue.plans],
                documents=[plan.document for plan in catalogue.plans],
            )
        ]
        await queries.delete_other_plans(connection, plan_ids=ids)
        if changed:
            await queries.touch_tenants_of_plans(connection, plan_ids=changed)
            log.info("plans changed", plans=changed)
