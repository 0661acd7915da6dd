"""Files of Unix sockets: left behind by the dead, never taken from the living."""

from __future__ import annotations

import asyncio
import fcntl
import os
import socket
import stat
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from tollkeeper.runtime.errors import OperatorError
from tollkeeper.runtime.settings import unix_path

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from contextlib import AbstractAsyncContextManager

_LOCK_POLL_SECONDS = 0.01
_PROBE_SECONDS = 1.0


@asynccontextmanager
async def on_address(listen: str, server: AbstractAsyncContextManager[None]) -> AsyncIterator[None]:
    """Run `server`, which listens on `listen`, while the block runs.

    On `unix:PATH` it replaces a file that nobody listens on, and its own is removed afterwards.
    Raises OperatorError when somebody listens there, or the file is no socket.
    """
    path = unix_path(listen)
    async with AsyncExitStack() as stack:
        if path is None:
            await stack.enter_async_context(server)
        else:
            file = _SocketFile(Path(path))
            # Servers remove whatever socket is in their way when they bind. Without the lock, two
            # that start together would find the same stale one, and the second remove the first's.
            async with _locked(file.path.parent):
                file.make_way()
                stack.callback(file.remove)
                await stack.enter_async_context(server)
                file.keep_in_mind()
        yield


class _SocketFile:
    def __init__(self, path: Path) -> None:
        self.path = path
        self._ours: tuple[int, int, int] | None = None

    def make_way(self) -> None:
        try:
            mode = self.path.lstat().st_mode
        except FileNotFoundError:
            return
        except OSError as error:
            raise _no_listening(self.path, error.strerror) from error
        if not stat.S_ISSOCK(mode):
            raise _no_listening(self.path, "the file there is no socket")
        if _somebody_listens(self.path):
            raise _no_listening(self.path, "another process listens there")
        with suppress(FileNotFoundError):
            self.path.unlink()

    def keep_in_mind(self) -> None:
        self._ours = self._identity()

    def remove(self) -> None:
        """Unless a successor has put its own file there."""
        with suppress(OSError):
            if self._ours is not None and self._identity() == self._ours:
                self.path.unlink()

    def _identity(self) -> tuple[int, int, int]:
        # Numbers of inodes are used again at once, hence the time.
        status = self.path.lstat()
        return status.st_dev, status.st_ino, status.st_mtime_ns


def _somebody_listens(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(_PROBE_SECONDS)
        try:
            probe.connect(str(path))
        except (ConnectionRefusedError, FileNotFoundError):
            return False
        except OSError:
            # A full backlog, a socket of another kind, one that we may not use: all are somebody's.
            return True
    return True


@asynccontextmanager
async def _locked(folder: Path) -> AsyncIterator[None]:
    """Alone among all who listen on sockets in this folder."""
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise _no_listening(folder, error.strerror) from error
    try:
        while not _lock(descriptor):  # noqa: ASYNC110 - other processes set no event of ours
            await asyncio.sleep(_LOCK_POLL_SECONDS)
        yield
    finally:
        os.close(descriptor)


def _lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _no_listening(path: Path, why: str | None) -> OperatorError:
    return OperatorError(f"cannot listen on unix:{path}: {why}")
