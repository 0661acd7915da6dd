"""The stack's directory: what lies where, and who may read it."""

from __future__ import annotations

import fcntl
import os
from contextlib import contextmanager
from dataclasses import dataclass
from tempfile import TemporaryFile
from typing import TYPE_CHECKING, Any

import orjson

from tollkeeper.runtime.errors import OperatorError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# Passwords and keys: for the owner alone.
_PRIVATE = 0o600


@dataclass(frozen=True)
class StackDirectory:
    """Data and logs stay when the stack ends; `run/` and `endpoints.json` do not."""

    path: Path

    @property
    def postgres(self) -> Path:
        return self.path / "postgres"

    @property
    def redis(self) -> Path:
        return self.path / "redis"

    @property
    def run(self) -> Path:
        return self.path / "run"

    @property
    def logs(self) -> Path:
        return self.path / "logs"

    @property
    def envoy_configuration(self) -> Path:
        return self.path / "envoy.yaml"

    @property
    def endpoints(self) -> Path:
        return self.path / "endpoints.json"

    @property
    def demo(self) -> Path:
        """The demo tenants and their keys."""
        return self.path / "demo.json"

    @property
    def secrets(self) -> Path:
        """The passwords of PostgreSQL and Redis."""
        return self.path / "secrets.json"

    def log(self, part: str) -> Path:
        return self.logs / f"{part}.log"

    def create(self) -> None:
        """Raises OperatorError when the directory cannot be made or written."""
        try:
            # Redis' file and the logs tell who called what: for nobody else on the machine.
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.logs.mkdir(exist_ok=True)
            for folder in (self.path, self.logs):
                # The only sure test: modes, capabilities and read-only disks all have a say.
                with TemporaryFile(dir=folder):
                    pass
        except OSError as error:
            raise OperatorError(f"cannot write {self.path}: {error.strerror}") from error

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the directory against a second stack.

        The lock is on the directory itself, so that nothing is left of it, even after kill -9.
        """
        descriptor = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            raise OperatorError(
                f"a stack already runs in {self.path}: see `tollkeeper status --dir {self.path}`, "
                f"end it with `tollkeeper down --dir {self.path}`"
            ) from None
        try:
            yield
        finally:
            os.close(descriptor)


def write_private(path: Path, content: bytes) -> None:
    """Replace a file at once, so that a reader sees all of it or the one before."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, _PRIVATE)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
    draft.replace(path)


def write_private_json(path: Path, content: object) -> None:
    write_private(path, orjson.dumps(content, option=orjson.OPT_INDENT_2) + b"\n")


def read_json(path: Path) -> Any:
    """The file's content, or None when there is no such file. Raises OperatorError on garbage."""
    try:
        return orjson.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except orjson.JSONDecodeError as error:
        raise OperatorError(f"{path} is not JSON ({error}): restore or remove it") from error
    except OSError as error:
        raise OperatorError(f"cannot read {path}: {error.strerror}") from error
