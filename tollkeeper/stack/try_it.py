"""What to type once the stack is up: lines that work as they stand."""

from __future__ import annotations

import shlex
import shutil
import sys
from pathlib import Path
from typing import Any

from tollkeeper.credential import mint
from tollkeeper.stack.demo import tenant_name

_DEFAULT_DIRECTORY = Path(".tollkeeper")
# More than the free plan lets through at once.
_BURST = 100


def try_it(endpoints: dict[str, Any], directory: Path, *, foreground: bool) -> str:
    """`directory` as the person named it."""
    gateway = endpoints["gateway"]
    plan, tenant = next(iter(endpoints["tenants"].items()))
    name = tenant_name(plan)
    usage = _command(directory, "usage", "show", name)
    key = f"-H 'authorization: Bearer {tenant['key']}'"
    unknown = f"-H 'authorization: Bearer {mint('test', 0).text}'"
    codes = f"curl -s -o /dev/null -w '%{{http_code}}\\n' '{gateway}/hello?call=[1-{_BURST}]'"
    lines = [
        "",
        f"Tollkeeper is up: {gateway}",
        "",
        f"# 200: admitted as {name}; the answer is what your API sees",
        f"curl -i {gateway}/hello {key}",
        "",
        "# 401: no key",
        f"curl -i {gateway}/hello",
        "",
        "# 401: a key that nobody has",
        f"curl -i {gateway}/hello {unknown}",
        "",
        f"# 200 until the burst of {name} is used up, then 429",
        f"{codes} {key} | sort | uniq -c",
        "",
        "# what these calls cost, as PostgreSQL has it",
        usage,
        "",
        *(
            f"# {tenant_name(other)}: {rest['key']}"
            for other, rest in endpoints["tenants"].items()
            if other != plan
        ),
        "",
        f"# how the parts are: {_command(directory, 'status')}",
        "# Ctrl-C ends it all" if foreground else f"# the end: {_command(directory, 'down')}",
    ]
    return "\n".join(lines)


def _command(directory: Path, *words: str) -> str:
    """A line that calls the same `tollkeeper` again, however it was called now."""
    where = [] if directory == _DEFAULT_DIRECTORY else ["--dir", str(directory)]
    return shlex.join([*_program(), *words, *where])


def _program() -> list[str]:
    called = Path(sys.argv[0])
    if called.name == "__main__.py":
        return [sys.executable, "-m", "tollkeeper"]
    found = shutil.which("tollkeeper")
    if found and Path(found).resolve() == called.resolve():
        return ["tollkeeper"]
    return [sys.argv[0]]
