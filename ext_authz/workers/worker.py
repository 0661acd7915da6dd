"""One gate in a process of its own: started, started again when it dies, renewed, drained."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING

import structlog

from ext_authz.workers.addresses import worker_listen
from ext_authz.workers.counts import Counts
from ext_authz.workers.membership import counts_file
from ext_authz.workers.probe import metrics_of, unreadiness_of
from tollkeeper.runtime.errors import OperatorError

if TYPE_CHECKING:
    from pathlib import Path

    from ext_authz.settings import ExtAuthzSettings

log = structlog.get_logger(__name__)

# -P: a folder `envoy` where somebody happens to stand must not hide the package.
_COMMAND = [sys.executable, "-P", "-m", "tollkeeper", "ext-authz"]
_POLL_SECONDS = 0.05
# Beside the wait for Redis: loading Python takes a second, on a busy machine ten.
_LOAD_SECONDS_MAX = 30.0
# Beside the drain: closing connections and leaving the counts.
_END_SECONDS_MAX = 5.0
_RESTART_DELAY_SECONDS_MIN = 0.1
# At this pace a worker that cannot live costs little, and is back soon once its cause is gone.
_RESTART_DELAY_SECONDS_MAX = 5.0
# Who lived this long is healthy, and its next death is a new story.
_HEALTHY_SECONDS = 10.0


class Worker:
    def __init__(self, number: int, settings: ExtAuthzSettings, folder: Path, leash: int) -> None:
        self.number = number
        self.restarts = 0
        """How often it died and was started again."""
        self._folder = folder
        self._leash = leash
        self._socket = str(folder / f"{number}.sock")
        self._environment = settings.environment() | {
            "TOLLKEEPER_WORKERS": "1",
            "TOLLKEEPER_WORKER": str(number),
            "TOLLKEEPER_WORKER_LEASH": str(leash),
            "TOLLKEEPER_WORKER_FOLDER": str(folder),
            "TOLLKEEPER_EXT_AUTHZ_LISTEN": worker_listen(settings.ext_authz_listen, number),
            "TOLLKEEPER_EXT_AUTHZ_METRICS_LISTEN": f"unix:{self._socket}",
        }
        self._start_seconds_max = settings.start_timeout_seconds + _LOAD_SECONDS_MAX
        self._end_seconds_max = (
            settings.drain_notice_seconds + settings.drain_timeout_seconds + _END_SECONDS_MAX
        )
        self._process: asyncio.subprocess.Process | None = None
        self._dismissed: asyncio.subprocess.Process | None = None
        self._started_at = 0.0
        # Of the processes that have ended, and as last told by the one that runs.
        self._past = Counts()
        self._present = Counts()

    async def start(self) -> None:
        """Return once it is ready. Raises OperatorError when it ends before, or takes too long."""
        process = await self._spawn()
        ready, ended = asyncio.ensure_future(self._ready()), asyncio.ensure_future(process.wait())
        try:
            await asyncio.wait(
                {ready, ended},
                timeout=self._start_seconds_max,
                return_when=asyncio.FIRST_COMPLETED,
            )
            if ended.done():
                raise OperatorError(f"worker {self.number} has ended; its own line says why")
            if not ready.done():
                raise OperatorError(
                    f"worker {self.number} is not ready after {self._start_seconds_max:g} s: "
                    f"{await self.unreadiness()}"
                )
        finally:
            ready.cancel()
            ended.cancel()

    async def keep(self) -> None:
        """Start it again whenever it ends, until cancelled."""
        delay = _RESTART_DELAY_SECONDS_MIN
        while True:
            process = self._process
            status = await process.wait() if process else None
            self._close_the_books()
            if process is None or process is not self._dismissed:
                if time.monotonic() - self._started_at > _HEALTHY_SECONDS:
                    delay = _RESTART_DELAY_SECONDS_MIN
                self.restarts += 1
                log.warning(
                    "a worker has ended; it is started again",
                    worker=self.number,
                    status=status,
                    delay_seconds=delay,
                )
                await asyncio.sleep(delay)
                delay = min(2 * delay, _RESTART_DELAY_SECONDS_MAX)
            try:
                await self._spawn()
            except OSError as error:
                self._process = None
                log.warning("a worker cannot be started", worker=self.number, error=str(error))

    async def renew(self) -> bool:
        """Drain the process; True once its successor, which `keep` starts, is ready.

        False when the successor dies before, or takes too long.
        """
        log.info("a worker is renewed", worker=self.number)
        deaths = self.restarts
        self._dismissed = self._process
        await self._end(self._process)
        with suppress(TimeoutError):
            async with asyncio.timeout(self._start_seconds_max):
                while self.restarts == deaths:
                    if await self.unreadiness() is None:
                        return True
                    await asyncio.sleep(_POLL_SECONDS)
        return False

    async def stop(self) -> None:
        await self._end(self._process)
        self._close_the_books()

    async def unreadiness(self) -> str | None:
        return await unreadiness_of(self._socket)

    async def counts(self) -> Counts:
        """Of all its processes so far; what was told last when there is no answer."""
        known = self._present
        text = await metrics_of(self._socket)
        # Meanwhile the process may have ended, and what it said be in the books.
        if text is not None and self._present is known:
            self._present = Counts.parse(text)
        return Counts.sum([self._past, self._present])

    async def _spawn(self) -> asyncio.subprocess.Process:
        self._started_at = time.monotonic()
        self._process = await asyncio.create_subprocess_exec(
            *_COMMAND,
            stdin=asyncio.subprocess.DEVNULL,
            env=os.environ | self._environment,
            pass_fds=[self._leash],
            # Ctrl-C is for the parent, which drains.
            start_new_session=True,
        )
        return self._process

    async def _ready(self) -> None:
        while await self.unreadiness() is not None:  # noqa: ASYNC110 - it is another process
            await asyncio.sleep(_POLL_SECONDS)

    async def _end(self, process: asyncio.subprocess.Process | None) -> None:
        if process is None or process.returncode is not None:
            return
        with suppress(ProcessLookupError):
            process.send_signal(signal.SIGTERM)
        try:
            await asyncio.wait_for(process.wait(), self._end_seconds_max)
        except TimeoutError:
            log.warning("a worker does not end and is killed", worker=self.number)
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()

    def _close_the_books(self) -> None:
        """Keep what an ended process counted: a sum that falls would look like a restart of all."""
        file = counts_file(self._folder, self.number)
        with suppress(FileNotFoundError):
            self._present = Counts.parse(file.read_text())
            file.unlink()
        self._past.add(self._present.only_growing())
        self._present = Counts()
