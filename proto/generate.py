"""Generate `tollkeeper/api` from the contracts in `proto/`.

Run by `make generate`; a test runs it into an empty directory and compares.
"""

from __future__ import annotations

import os
import sys
from importlib.resources import files
from pathlib import Path

from grpc_tools import protoc

ROOT = Path(__file__).resolve().parent.parent
PROTO = ROOT / "proto"
# protoc finds its plugins (mypy-protobuf) beside the interpreter that runs it.
os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"


def generate(out: Path) -> None:
    """Write `tollkeeper/api/**` below `out`. Raises RuntimeError when protoc refuses."""
    contracts = sorted(str(path.relative_to(PROTO)) for path in PROTO.rglob("*.proto"))
    arguments = [
        "protoc",
        f"--proto_path={PROTO}",
        f"--proto_path={files('grpc_tools') / '_proto'}",
        f"--python_out={out}",
        f"--mypy_out=quiet:{out}",
        f"--grpc_python_out={out}",
        f"--mypy_grpc_out=quiet:{out}",
    ]
    if protoc.main([*arguments, *contracts]) != 0:
        raise RuntimeError("protoc refused the contracts; its message stands above")
    for package in (out / "tollkeeper" / "api").rglob("*"):
        if package.is_dir() and package.name != "__pycache__":
            (package / "__init__.py").touch()
    (out / "tollkeeper" / "api" / "__init__.py").touch()


if __name__ == "__main__":
    generate(Path(sys.argv[1]).resolve() if len(sys.argv) > 1 else ROOT)
