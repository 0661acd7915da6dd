"""A bounded store of what is known of credentials, to be cleared by a record's name."""

from __future__ import annotations

from collections import OrderedDict
from typing import Generic, TypeVar

T = TypeVar("T")


class Shelf(Generic[T]):
    """What is kept can always be forgotten by name: neither way in outlives the other."""

    def __init__(self, size_max: int) -> None:
        self._size_max = size_max
        self._names: dict[bytes, str] = {}
        self._credentials: dict[str, bytes] = {}
        # Ordered, because taking the oldest out of a dictionary costs a walk over the gaps.
        self.values: OrderedDict[bytes, T] = OrderedDict()
        """By credential."""

    def put(self, credential: bytes, name: str, value: T) -> None:
        """Keep it under the name of its record in Redis; the oldest goes when there is no room."""
        if credential not in self.values and len(self.values) >= self._size_max:
            oldest, _ = self.values.popitem(last=False)
            del self._credentials[self._names.pop(oldest)]
        self.values[credential] = value
        self._names[credential] = name
        self._credentials[name] = credential

    def forget(self, name: str) -> None:
        credential = self._credentials.pop(name, None)
        if credential is not None:
            del self._names[credential], self.values[credential]

    def clear(self) -> None:
        self.values.clear()
        self._names.clear()
        self._credentials.clear()
