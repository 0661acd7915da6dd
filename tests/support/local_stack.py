"""A stack of the tests' own, used through the command line as anybody would."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

from tollkeeper.stack.ports import Ports

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

# A start takes a few seconds; on a machine full of other tests, longer.
_SECONDS_MAX = 90


class LocalStack:
    def __init__(self, directory: Path, port_base: int, prefix: Sequence[str] = ()) -> None:
        self.dir = directory
        self.ports = Ports(port_base)
        self.endpoints: dict[str, Any] = {}
        # What to put before every command, `setpriv …` for one.
        self._prefix = prefix

    def up(self, *arguments: str) -> None:
        """Start it in the background and wait until it is ready."""
        done = self.tollkeeper("up", "--detach", *self._ports_argument, *arguments)
        assert done.returncode == 0, done.stdout + done.stderr
        self.endpoints = json.loads((self.dir / "endpoints.json").read_text())

    def try_up(
        self, *arguments: str, environment: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """An `up` that may be refused."""
        return self.tollkeeper("up", *self._ports_argument, *arguments, environment=environment)

    def up_in_foreground(self) -> subprocess.Popen[str]:
        """Started, not waited for; in a group of its own, as a shell does it."""
        return subprocess.Popen(
            self._command("up", *self._ports_argument),
            env=_environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            process_group=0,
        )

    def down(self) -> subprocess.CompletedProcess[str]:
        return self.tollkeeper("down")

    def status(self) -> dict[str, Any]:
        status: dict[str, Any] = self.json("status")
        return status

    def json(self, *arguments: str) -> Any:
        done = self.tollkeeper(*arguments, "--json")
        assert done.stdout, done.stderr
        return json.loads(done.stdout)

    def tollkeeper(
        self, *arguments: str, environment: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a command against this stack, to its end."""
        return subprocess.run(
            self._command(*arguments),
            env={**_environment(), **(environment or {})},
            capture_output=True,
            text=True,
            timeout=_SECONDS_MAX,
            check=False,
        )

    @property
    def _ports_argument(self) -> list[str]:
        return ["--port-base", str(self.ports.base)]

    def _command(self, *arguments: str) -> list[str]:
        program = [sys.executable, "-P", "-m", "tollkeeper"]
        return [*self._prefix, *program, "--dir", str(self.dir), *arguments]


def _environment() -> dict[str, str]:
    """Without the settings of whoever runs the tests."""
    return {name: value for name, value in os.environ.items() if "TOLLKEEPER" not in name}
