"""A certificate authority that lives as long as a test run."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

SERVER_NAME = "gate.test"


@dataclass(frozen=True)
class Pair:
    """PEM files."""

    certificate: Path
    key: Path


class Authority:
    def __init__(self, folder: Path, name: str) -> None:
        self._folder = folder
        self._name = name
        self._own = self._make(name, "basicConstraints=critical,CA:TRUE")

    @property
    def certificate(self) -> Path:
        return self._own.certificate

    def issue(self, name: str) -> Pair:
        """A certificate for `SERVER_NAME`, good for servers and clients."""
        signed = ["-CA", str(self._own.certificate), "-CAkey", str(self._own.key)]
        return self._make(f"{self._name}-{name}", f"subjectAltName=DNS:{SERVER_NAME}", *signed)

    def _make(self, name: str, extension: str, *signed: str) -> Pair:
        pair = Pair(self._folder / f"{name}.pem", self._folder / f"{name}.key")
        openssl = shutil.which("openssl")
        assert openssl, "these tests need the command `openssl`, 3.0 or later, on PATH"
        command = [openssl, "req", "-x509", *signed, "-newkey", "ec", "-noenc", "-days", "2"]
        command += ["-pkeyopt", "ec_paramgen_curve:P-256", "-subj", f"/CN={name}"]
        command += ["-addext", extension]
        command += ["-keyout", str(pair.key), "-out", str(pair.certificate)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return pair
