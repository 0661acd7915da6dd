"""The API key's form: `tk_live_<partition><secret><checksum>`, in base62.

The partition is in the key, so admission needs no look-up first; the checksum refuses garbage
without any I/O. It is no secret and proves nothing: who types a key wrong learns it at once, who
makes one up finds that Redis does not know it.
"""

from __future__ import annotations

import hashlib
import secrets
import string
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

if TYPE_CHECKING:
    from collections.abc import Callable

Environment = Literal["live", "test"]

ALPHABET = string.digits + string.ascii_uppercase + string.ascii_lowercase
_VALUES = {character: value for value, character in enumerate(ALPHABET)}
# Two characters hold 3,844 partitions; an installation has 64 unless told otherwise.
_PARTITION_LENGTH = 2
PARTITIONS_MAX = len(ALPHABET) ** _PARTITION_LENGTH
# 190 bits: guessing is hopeless even against billions of keys.
_SECRET_LENGTH = 32
# CRC-32 needs 5.4 base62 digits.
_CHECKSUM_LENGTH = 6
_PREFIXES = {environment: f"tk_{environment}_" for environment in get_args(Environment)}
LENGTH = len("tk_live_") + _PARTITION_LENGTH + _SECRET_LENGTH + _CHECKSUM_LENGTH


@dataclass(frozen=True)
class Credential:
    """A well-formed API key. `repr` hides the secret, so that it cannot reach a log."""

    text: str
    partition: int

    def __repr__(self) -> str:
        return f"Credential({self.hint!r})"

    @property
    def sha256(self) -> bytes:
        """All that Redis and PostgreSQL ever hold of the key."""
        return hashlib.sha256(self.text.encode("ascii")).digest()

    @property
    def hint(self) -> str:
        """Enough for a person to tell two keys apart, too little to use."""
        return f"{self.text[:8]}…{self.text[-4:]}"


def mint(
    environment: Environment,
    partition: int,
    choice: Callable[[str], str] = secrets.choice,
) -> Credential:
    """A new key. Raises ValueError for a partition that two characters cannot hold."""
    if not 0 <= partition < PARTITIONS_MAX:
        raise ValueError(f"partition must be 0 to {PARTITIONS_MAX - 1}, not {partition}")
    secret = "".join(choice(ALPHABET) for _ in range(_SECRET_LENGTH))
    body = f"{_PREFIXES[environment]}{_base62(partition, _PARTITION_LENGTH)}{secret}"
    return Credential(body + _checksum(body), partition)


def parse(text: str) -> Credential | None:
    """The credential, or None when the form or the checksum is wrong."""
    if len(text) != LENGTH or not text.startswith(tuple(_PREFIXES.values())):
        return None
    body, checksum = text[:-_CHECKSUM_LENGTH], text[-_CHECKSUM_LENGTH:]
    rest = body[len("tk_live_") :]
    if not all(character in _VALUES for character in rest) or _checksum(body) != checksum:
        return None
    return Credential(text, _VALUES[rest[0]] * len(ALPHABET) + _VALUES[rest[1]])


def _checksum(body: str) -> str:
    return _base62(zlib.crc32(body.encode("ascii")), _CHECKSUM_LENGTH)


def _base62(number: int, length: int) -> str:
    digits = []
    for _ in range(length):
        number, digit = divmod(number, len(ALPHABET))
        digits.append(ALPHABET[digit])
    return "".join(reversed(digits))
