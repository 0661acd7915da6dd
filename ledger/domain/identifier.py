"""Identifiers: a prefix that tells what they name, and 119 random bits."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

from tollkeeper.credential import ALPHABET

Choice = Callable[[str], str]
"""Picks one character of the given ones; `secrets.choice`, or a test's own."""

_LENGTH = 20


def new_identifier(prefix: str, choice: Choice) -> str:
    """`tn_4fQ…` for prefix "tn": 20 base62 characters."""
    return f"{prefix}_{''.join(choice(ALPHABET) for _ in range(_LENGTH))}"


def partition_of(tenant_id: str, partitions: int) -> int:
    """Where a new tenant goes: even over all partitions, whatever the identifiers look like."""
    return int.from_bytes(hashlib.sha256(tenant_id.encode()).digest()) % partitions
