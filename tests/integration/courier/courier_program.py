"""`tollkeeper courier`: a process that can be killed."""

from __future__ import annotations

import asyncio
import os
import sys
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from ext_authz.courier.settings import CourierSettings


@asynccontextmanager
async def courier_program(settings: CourierSettings) -> AsyncIterator[asyncio.subprocess.Process]:
    """`tollkeeper courier`, a process of its own."""
    wanted = {
        f"TOLLKEEPER_{name.upper()}": str(value) for name, value in settings.model_dump().items()
    }
    program = await asyncio.create_subprocess_exec(
        sys.executable, "-P", "-m", "tollkeeper", "courier", env=dict(os.environ) | wanted
    )
    try:
        yield program
    finally:
        if program.returncode is None:
            program.kill()
            await program.wait()
