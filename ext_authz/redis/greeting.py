"""What a new connection says first: who we are, which database, which scripts."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import hiredis

from ext_authz.redis.pipeline import NOBODY
from ext_authz.redis.resp import command

if TYPE_CHECKING:
    from ext_authz.redis.pipeline import Pipeline

# Errors that pass: Redis loads its data, a script hangs, a replica waits for its master.
_PASSING = ("LOADING", "BUSY", "MASTERDOWN", "CLUSTERDOWN", "TRYAGAIN")


class Refused(ConnectionError):  # noqa: N818 - as the connection was
    """Redis answers, and does not want us: waiting does not help, a person must."""


async def greet(pipeline: Pipeline, options: dict[str, Any], scripts: list[str]) -> None:
    """Return once all is accepted. Raises ConnectionError, of a replica too."""
    commands = []
    if password := options.get("password"):
        user = options.get("username")
        commands.append(command("AUTH", *((user, password) if user else (password,))))
    if database := options.get("db"):
        commands.append(command("SELECT", database))
    commands += [command("SCRIPT", "LOAD", source) for source in scripts]
    answers = _Answers(len(commands) + 1)
    for data in commands:
        pipeline.send(data, answers)
    # A name is a help for people. Who may not give one may still ask.
    pipeline.send(command("CLIENT", "SETNAME", "tollkeeper-ext-authz"), NOBODY)
    pipeline.send(command("ROLE"), _Role(answers))
    await answers.complete


class _Answers:
    """Waits for so many, none of them an error."""

    def __init__(self, count: int) -> None:
        self._left = count
        self.complete: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def replied(self, reply: Any) -> None:
        self._left -= 1
        if isinstance(reply, hiredis.ReplyError):
            text = str(reply)
            passing = text.startswith(_PASSING)
            self.failed(ConnectionError(text) if passing else Refused(text))
        elif self._left == 0 and not self.complete.done():
            self.complete.set_result(None)

    def unanswered(self, why: str) -> None:
        self.failed(ConnectionError(why))

    def failed(self, error: ConnectionError) -> None:
        if not self.complete.done():
            self.complete.set_exception(error)


class _Role:
    """Only a master will do. Who may not ask for the role takes what there is."""

    def __init__(self, answers: _Answers) -> None:
        self._answers = answers

    def replied(self, reply: Any) -> None:
        if isinstance(reply, list) and reply[0] != b"master":
            self._answers.failed(ConnectionError("it is a replica"))
        else:
            self._answers.replied(None)

    def unanswered(self, why: str) -> None:
        self._answers.unanswered(why)
