"""The command line against a running stack."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.support.local_stack import LocalStack


class Cli:
    """The command line as a program uses it, and as a person does."""

    def __init__(self, stack: LocalStack) -> None:
        self.stack = stack

    def json(self, *arguments: str) -> dict[str, Any]:
        """The one document that standard output holds."""
        done = self.stack.tollkeeper(*arguments, "--json")
        assert (done.returncode, done.stderr) == (0, ""), arguments
        assert done.stdout.count("\n") == 1
        document = json.loads(done.stdout)
        assert isinstance(document, dict)
        return document

    def text(self, *arguments: str) -> str:
        done = self.stack.tollkeeper(*arguments)
        assert (done.returncode, done.stderr) == (0, ""), arguments
        return done.stdout

    def error(self, *arguments: str) -> str:
        """The one line of a command that fails."""
        done = self.stack.tollkeeper(*arguments)
        assert (done.returncode, done.stdout) == (1, ""), arguments
        assert done.stderr.startswith("error: ")
        assert done.stderr.count("\n") == 1
        return done.stderr.removeprefix("error: ").strip()
