"""How a node of a Cluster says that a key is elsewhere."""

from __future__ import annotations

from typing import NamedTuple, Self

from ext_authz.redis.place import Place


class Redirect(NamedTuple):
    slot: int
    host: str
    """Empty or `?`: the host that says so."""
    port: int
    asking: bool
    """The slot is on its way: only this command goes there, after ASKING."""

    @classmethod
    def parse(cls, error: str) -> Self | None:
        """`MOVED 3999 127.0.0.1:6381`, or ASK; None for any other error."""
        words = error.split(" ")
        if len(words) != 3 or words[0] not in ("MOVED", "ASK"):  # noqa: PLR2004 - as above
            return None
        host, _, port = words[2].rpartition(":")
        return cls(int(words[1]), host, int(port), asking=words[0] == "ASK")

    def place(self, speaker: Place) -> Place:
        return Place(speaker.host if self.host in ("", "?") else self.host, self.port)
