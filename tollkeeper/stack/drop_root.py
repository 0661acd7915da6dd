"""PostgreSQL refuses to run as root; here is how it runs as nobody instead."""

from __future__ import annotations

import os
import shutil
import subprocess
from functools import cache

from tollkeeper.runtime.errors import OperatorError

NOBODY = 65_534
# A checkout or data directory below /root cannot be reached by nobody. Passing over file modes
# keeps us from changing those of directories that are not ours; all other powers go.
_REACH = [
    "--inh-caps=-all,+dac_override",
    "--ambient-caps=-all,+dac_override",
    "--bounding-set=-all,+dac_override",
]
_TRY_SECONDS_MAX = 10


def owner() -> int | None:
    """Whose the data directory must be, or None when it is the present user's anyway."""
    return NOBODY if os.geteuid() == 0 else None


@cache
def command_prefix() -> tuple[str, ...]:
    """What to put before a command so that it does not run as root; empty for ordinary users.

    Raises OperatorError when this machine has no way to give up root.
    """
    if os.geteuid() != 0:
        return ()
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        raise OperatorError(
            "PostgreSQL refuses to run as root and `setpriv` is missing: install util-linux, "
            "run as an ordinary user, or give --postgres-url"
        )
    plain = (setpriv, f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups")
    # Containers may withhold the capability; then nobody must be able to reach the files.
    for prefix in ((*plain, *_REACH), plain):
        if _works(prefix):
            return prefix
    raise OperatorError(
        "PostgreSQL refuses to run as root and this machine does not let root become another "
        "user: run as an ordinary user, or give --postgres-url"
    )


def _works(prefix: tuple[str, ...]) -> bool:
    try:
        tried = subprocess.run(
            [*prefix, "/bin/true"], capture_output=True, check=False, timeout=_TRY_SECONDS_MAX
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return tried.returncode == 0
