"""The passwords of the stack's own PostgreSQL and Redis."""

from __future__ import annotations

import secrets
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from tollkeeper.runtime.errors import OperatorError
from tollkeeper.stack.directory import read_json, write_private_json

if TYPE_CHECKING:
    from tollkeeper.stack.directory import StackDirectory

_BYTES = 24


@dataclass(frozen=True)
class Passwords:
    postgres: str
    redis: str


def keep_passwords(directory: StackDirectory) -> Passwords:
    """Those of the directory, made once.

    Raises OperatorError when a database is there but its password is lost.
    """
    if (kept := read_json(directory.secrets)) is not None:
        try:
            return Passwords(**kept)
        except TypeError:
            raise OperatorError(
                f"{directory.secrets} does not hold the two passwords: restore it"
            ) from None
    if directory.postgres.exists():
        raise OperatorError(
            f"{directory.secrets} is missing and with it the password of the database in "
            f"{directory.postgres}: restore the file, or remove {directory.path} to begin anew"
        )
    made = Passwords(secrets.token_urlsafe(_BYTES), secrets.token_urlsafe(_BYTES))
    write_private_json(directory.secrets, asdict(made))
    return made
