"""API keys, as the ledger knows them: everything but the key itself."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from ledger.domain.refusal import Refusal, invalid

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from tollkeeper.credential import Environment

KeyStatus = Literal["active", "revoked"]

ID_PREFIX = "key"
EVERYTHING = "*"
_SCOPE = re.compile(r"[a-z0-9:._-]{1,64}|\*", re.ASCII)
_SCOPES_MAX = 32
_NAME_LENGTH_MAX = 128


@dataclass(frozen=True)
class Key:
    id: str
    tenant_id: str
    hint: str
    name: str
    environment: Environment
    scopes: tuple[str, ...]
    status: KeyStatus
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None


@dataclass(frozen=True)
class KeyWish:
    """What a key to be minted should be."""

    name: str
    environment: Environment
    scopes: tuple[str, ...]
    expires_at: datetime | None


def key_wish(
    name: str,
    environment: Environment,
    scopes: Sequence[str],
    expires_at: datetime | None,
    now: datetime,
) -> KeyWish | Refusal:
    name = name.strip()
    if len(name) > _NAME_LENGTH_MAX or not name.isprintable():
        return invalid(f"a key's name has at most {_NAME_LENGTH_MAX} characters, all printable")
    if len(scopes) > _SCOPES_MAX:
        return invalid(f"a key has at most {_SCOPES_MAX} scopes")
    for scope in scopes:
        if not _SCOPE.fullmatch(scope):
            return invalid(f"scope {scope!r} must be 1 to 64 of a-z, 0-9 and :._- or be *")
    if expires_at is not None and expires_at <= now:
        return invalid("the expiry must be in the future")
    return KeyWish(name, environment, tuple(dict.fromkeys(scopes)) or (EVERYTHING,), expires_at)
