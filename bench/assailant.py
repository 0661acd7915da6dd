"""Carries out one attack, as fast as one core can, and comes back whenever it is cut off."""

from __future__ import annotations

import selectors
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from bench.attacks import Attack

_RECEIVE_BYTES = 1_048_576
_SELECT_SECONDS = 0.05


@dataclass
class Damage:
    """What it took."""

    sent_bytes: int = 0
    connections: int = 0
    """Opened in all; more than the attack has at once when the server cut some off."""


class Assailant:
    def __init__(self, address: str, attack: Attack) -> None:
        host, _, port = address.rpartition(":")
        self._address = (host, int(port))
        self._attack = attack
        self._selector = selectors.DefaultSelector()
        self.damage = Damage()

    def take_position(self) -> None:
        """Open the connections, and no more."""
        for _ in range(self._attack.connections):
            self._open()

    def strike(self, is_enough: Callable[[], bool]) -> None:
        while not is_enough():
            for key, events in self._selector.select(_SELECT_SECONDS):
                self._go_on(key.data, events)

    def leave(self) -> None:
        for key in list(self._selector.get_map().values()):
            key.data.socket.close()
        self._selector.close()

    def _go_on(self, trooper: _Trooper, events: int) -> None:
        try:
            if events & selectors.EVENT_READ:
                trooper.read()
            if events & selectors.EVENT_WRITE:
                self.damage.sent_bytes += trooper.write()
            if trooper.has_sent_all:
                self._selector.modify(trooper.socket, selectors.EVENT_READ, trooper)
        except OSError:
            self._selector.unregister(trooper.socket)
            trooper.socket.close()
            self._open()

    def _open(self) -> None:
        self.damage.connections += 1
        trooper = _Trooper(self._address, self._attack)
        events = selectors.EVENT_WRITE | (selectors.EVENT_READ if self._attack.reads else 0)
        self._selector.register(trooper.socket, events, trooper)


class _Trooper:
    """One connection."""

    def __init__(self, address: tuple[str, int], attack: Attack) -> None:
        self._attack = attack
        self._pieces: Iterator[bytes] | None = attack.pieces() if attack.pieces else None
        self._unsent = memoryview(attack.opening)
        self.socket = socket.create_connection(address, timeout=10)
        self.socket.setblocking(False)
        self.has_sent_all = False

    def read(self) -> None:
        if not self.socket.recv(_RECEIVE_BYTES):
            raise ConnectionResetError

    def write(self) -> int:
        """How many bytes it was."""
        if not self._unsent:
            if self._pieces is None:
                self.has_sent_all = True
                if self._attack.half_closes:
                    self.socket.shutdown(socket.SHUT_WR)
                return 0
            self._unsent = memoryview(next(self._pieces))
        sent = self.socket.send(self._unsent)
        self._unsent = self._unsent[sent:]
        return sent
