"""Askers that remember what they were told, and when."""

from __future__ import annotations

import asyncio
import itertools
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Self

from ext_authz.redis.ending import end
from ext_authz.redis.resp import command

if TYPE_CHECKING:
    from collections.abc import Callable

    from ext_authz.redis.masters import Masters


DEADLINE = 0.1
# The pipeline looks four times within a deadline; the rest is a loop with much to do.
DEADLINE_AND_A_LITTLE = DEADLINE * 1.25 + 0.1


class Witness:
    def __init__(self, number: int = 0, clock: Callable[[], float] = time.monotonic) -> None:
        self.number = number
        self._clock = clock
        self._sent_at = clock()
        self.told: list[Any] = []
        self.seconds = 0.0
        self.done = asyncio.Event()

    def replied(self, reply: Any) -> None:
        self._tell(reply)

    def unanswered(self, why: str) -> None:
        self._tell(why)

    def _tell(self, what: Any) -> None:
        self.told.append(what)
        self.seconds = self._clock() - self._sent_at
        self.done.set()

    @property
    def answered(self) -> bool:
        return not isinstance(self.told[0], str)


async def ask(masters: Masters, *parts: str | bytes | int, partition: int = 0) -> Any:
    """The reply; a text says why there is none."""
    witness = Witness()
    masters.send(command(*parts), witness, partition)
    await asyncio.wait_for(witness.done.wait(), 5)
    assert len(witness.told) == 1
    return witness.told[0]


class Crowd:
    """Asks without pause, many at a time, each to be told its own number, in some partition."""

    _PARTITIONS = 64
    # At every turn of the loop; enough that any break meets some in flight.
    _AT_ONCE = 20
    _TURN_SECONDS = 0.002
    # When the machine gives this process no time, nobody can be told anything: such time is not
    # counted.
    _TURN_SECONDS_MAX = 0.02

    def __init__(self, masters: Masters) -> None:
        self._masters = masters
        self._numbers = itertools.count()
        self._asking: asyncio.Task[None] | None = None
        self._clock = 0.0
        self._enough = False
        self.witnesses: list[Witness] = []

    async def __aenter__(self) -> Self:
        self._asking = asyncio.create_task(self._ask())
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._asking is not None
        self._enough = True
        with suppress(TimeoutError):
            async with asyncio.timeout(5):
                # Its clock still runs.
                while not all(witness.told for witness in self.witnesses):  # noqa: ASYNC110
                    await asyncio.sleep(self._TURN_SECONDS)
        await end(self._asking)

    async def until_answered_again(self, seconds: float = 8) -> None:
        """One that asked after this moment was answered."""
        begun = len(self.witnesses)
        async with asyncio.timeout(seconds):
            while not any(w.told and w.answered for w in self.witnesses[begun:]):  # noqa: ASYNC110
                await asyncio.sleep(self._TURN_SECONDS)

    def unanswered(self) -> int:
        return sum(not witness.answered for witness in self.witnesses)

    def assert_all_heard(self, within_seconds: float) -> None:
        """Once, in time, and never another's answer."""
        assert all(len(witness.told) == 1 for witness in self.witnesses)
        answers = {w.number: w.told[0] for w in self.witnesses if w.answered}
        assert answers == {number: b"%d" % number for number in answers}
        assert max(witness.seconds for witness in self.witnesses) < within_seconds

    async def _ask(self) -> None:
        while True:
            begun = time.monotonic()
            for number in itertools.islice(self._numbers, 0 if self._enough else self._AT_ONCE):
                witness = Witness(number, lambda: self._clock)
                self.witnesses.append(witness)
                partition = number % self._PARTITIONS
                key = f"tk:{{p{partition}}}:crowd"
                data = command("EVAL", "return ARGV[1]", 1, key, number)
                self._masters.send(data, witness, partition)
            await asyncio.sleep(self._TURN_SECONDS)
            self._clock += min(time.monotonic() - begun, self._TURN_SECONDS_MAX)


async def until_connected(masters: Masters) -> None:
    async with asyncio.timeout(5):
        while not masters.connected:  # noqa: ASYNC110 - what is waited for has no event
            await asyncio.sleep(0.02)
