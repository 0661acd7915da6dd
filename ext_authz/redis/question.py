"""A command to a Cluster, which may be sent on once when its key is elsewhere."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import hiredis

from ext_authz.redis.redirect import Redirect

if TYPE_CHECKING:
    from ext_authz.redis.cluster import Cluster
    from ext_authz.redis.link import Link
    from ext_authz.redis.pipeline import Asker

# The Cluster runs none of these; what is said meanwhile holds for one command only.
_NOT_NOW = ("TRYAGAIN", "CLUSTERDOWN", "MOVED", "ASK")


class Question:
    __slots__ = ("_asker", "_cluster", "_data", "_link", "_sent_at")

    def __init__(self, cluster: Cluster, link: Link, data: bytes, asker: Asker) -> None:
        self._cluster = cluster
        self._link = link
        self._data = data
        self._asker = asker
        self._sent_at = cluster.now()

    def replied(self, reply: Any) -> None:
        if isinstance(reply, hiredis.ReplyError) and str(reply).startswith(_NOT_NOW):
            self._not_here(str(reply))
        else:
            self._asker.replied(reply)

    def unanswered(self, why: str) -> None:
        self._asker.unanswered(why)

    def _not_here(self, error: str) -> None:
        redirect = Redirect.parse(error)
        if redirect is None:
            self._asker.unanswered(error)
            return
        seconds_left = self._sent_at + self._cluster.timeout_seconds - self._cluster.now()
        self._cluster.follow(
            redirect, self._link, self._data, _SentOn(self._asker, max(seconds_left, 0))
        )


class _SentOn:
    """The same question at another node, still due when it was due at the first."""

    def __init__(self, asker: Asker, seconds_left: float) -> None:
        self._asker: Asker | None = asker
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(seconds_left, self.unanswered, "no answer in time")

    def replied(self, reply: Any) -> None:
        if isinstance(reply, hiredis.ReplyError) and str(reply).startswith(_NOT_NOW):
            self.unanswered(str(reply))
        elif asker := self._done():
            asker.replied(reply)

    def unanswered(self, why: str) -> None:
        if asker := self._done():
            asker.unanswered(why)

    def _done(self) -> Asker | None:
        self._timer.cancel()
        asker, self._asker = self._asker, None
        return asker
