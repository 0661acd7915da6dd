from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import hiredis
import pytest

from ext_authz.redis.place import Place
from ext_authz.redis.question import Question
from ext_authz.redis.redirect import Redirect

SPEAKER = Place("10.0.0.1", 6379)


@pytest.mark.parametrize(
    ("error", "place", "asking"),
    [
        ("MOVED 3999 127.0.0.1:6381", Place("127.0.0.1", 6381), False),
        ("ASK 3999 127.0.0.1:6381", Place("127.0.0.1", 6381), True),
        ("MOVED 1 node.example:6381", Place("node.example", 6381), False),
        ("MOVED 1 fe80::1:6381", Place("fe80::1", 6381), False),
        ("MOVED 1 :6381", Place("10.0.0.1", 6381), False),
        ("MOVED 1 ?:6381", Place("10.0.0.1", 6381), False),
    ],
)
def test_where_a_key_is(error: str, place: Place, asking: bool) -> None:  # noqa: FBT001
    redirect = Redirect.parse(error)
    assert redirect is not None
    assert (redirect.place(SPEAKER), redirect.asking) == (place, asking)


@pytest.mark.parametrize("error", ["TRYAGAIN", "CLUSTERDOWN Hash slot not served", "ERR MOVED 1"])
def test_other_errors_lead_nowhere(error: str) -> None:
    assert Redirect.parse(error) is None


class Asker:
    def __init__(self) -> None:
        self.told: list[Any] = []

    def replied(self, reply: Any) -> None:
        self.told.append(reply)

    def unanswered(self, why: str) -> None:
        self.told.append(why)


class Cluster:
    """Keeps what is sent on."""

    timeout_seconds = 0.1

    def __init__(self) -> None:
        self.time = 0.0
        self.sent_on: list[Any] = []

    def now(self) -> float:
        return self.time

    def follow(self, _redirect: object, _link: object, _data: bytes, asker: Any) -> None:
        self.sent_on.append(asker)


def question(cluster: Cluster, asker: Asker) -> Question:
    return Question(cluster, SimpleNamespace(), b"", asker)  # type: ignore[arg-type]


async def test_what_is_sent_on_is_still_due_at_its_first_deadline() -> None:
    cluster, asker = Cluster(), Asker()
    asked = question(cluster, asker)
    cluster.time = 0.099
    asked.replied(hiredis.ReplyError("MOVED 1 h:1"))
    begun = asyncio.get_running_loop().time()
    while not asker.told:  # noqa: ASYNC110 - an asker has no event
        await asyncio.sleep(0.001)
    assert asyncio.get_running_loop().time() - begun < 0.09
    cluster.sent_on[0].replied(b"late")
    assert asker.told == ["no answer in time"]


async def test_what_is_sent_on_is_not_sent_on_again() -> None:
    cluster, asker = Cluster(), Asker()
    question(cluster, asker).replied(hiredis.ReplyError("MOVED 1 h:1"))
    cluster.sent_on[0].replied(hiredis.ReplyError("MOVED 1 h:2"))
    assert asker.told == ["MOVED 1 h:2"]
    assert len(cluster.sent_on) == 1


@pytest.mark.parametrize("error", ["TRYAGAIN Multiple keys", "CLUSTERDOWN The cluster is down"])
async def test_a_command_that_the_cluster_did_not_run_is_unanswered(error: str) -> None:
    cluster, asker = Cluster(), Asker()
    question(cluster, asker).replied(hiredis.ReplyError(error))
    assert asker.told == [error]


async def test_any_other_error_is_the_answer() -> None:
    cluster, asker = Cluster(), Asker()
    error = hiredis.ReplyError("NOSCRIPT No matching script")
    question(cluster, asker).replied(error)
    assert asker.told == [error]
