"""A worker's end of the bond with its parent: whose it is, that it still lives, what it leaves."""

from __future__ import annotations

import asyncio
import os
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import structlog
from prometheus_client import REGISTRY, generate_latest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ext_authz.settings import ExtAuthzSettings

log = structlog.get_logger(__name__)


@contextmanager
def leashed(settings: ExtAuthzSettings, stop: asyncio.Event) -> Iterator[None]:
    """While the block runs, the end of the parent sets `stop`; nothing for who has no parent.

    A parent killed with -9 tells nobody, but the kernel closes its end of the pipe.
    """
    if settings.worker is None:
        yield
        return
    structlog.contextvars.bind_contextvars(worker=settings.worker)
    loop = asyncio.get_running_loop()
    leash, folder = settings.worker_leash, Path(settings.worker_folder)
    orphaned = False

    def parent_ended() -> None:
        nonlocal orphaned
        orphaned = True
        log.warning("the parent has ended; stopping")
        loop.remove_reader(leash)
        stop.set()

    loop.add_reader(leash, parent_ended)
    try:
        yield
    finally:
        loop.remove_reader(leash)
        os.close(leash)
        if orphaned:
            _clear(folder, settings.worker)


@contextmanager
def counts_left(settings: ExtAuthzSettings) -> Iterator[None]:
    """After the block, leave the counts for the parent, so that a restart loses none."""
    yield
    if settings.worker is not None:
        with suppress(OSError):
            counts_file(Path(settings.worker_folder), settings.worker).write_bytes(
                generate_latest(REGISTRY)
            )


def counts_file(folder: Path, worker: int) -> Path:
    return folder / f"{worker}.metrics"


def _clear(folder: Path, worker: int) -> None:
    """The folder was the parent's to remove; the last of its workers does it instead."""
    with suppress(OSError):
        counts_file(folder, worker).unlink(missing_ok=True)
        folder.rmdir()
