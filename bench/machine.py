"""Where the figures come from: nobody should compare them without it."""

from __future__ import annotations

import os
import platform
from importlib.metadata import version
from pathlib import Path

import psutil

from bench.h2load import h2load_version
from tollkeeper.stack.binaries import find_envoy, find_redis

_PACKAGES = ("grpcio", "protobuf", "uvloop", "hiredis", "redis", "xds-protos")
_GIB = 1024**3


def machine() -> dict[str, object]:
    """Raises OperatorError when a program that is needed is missing."""
    return {
        "cpu": _cpu_model(),
        "cores": os.cpu_count(),
        "memory_gib": round(psutil.virtual_memory().total / _GIB, 1),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "python": platform.python_version(),
        "redis_server": find_redis().version,
        "envoy": find_envoy().version,
        "h2load": h2load_version(),
        **{package: version(package) for package in _PACKAGES},
    }


def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next(
        (line.partition(":")[2].strip() for line in lines if line.startswith("model name")),
        platform.processor(),
    )
