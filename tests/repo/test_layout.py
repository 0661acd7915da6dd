"""What the house asks of its rooms."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LOCK = ROOT / "requirements" / "dev.txt"


@pytest.mark.parametrize("folder", ["envoy", "proto", "k8s"])
def test_no_package_hides_an_installed_one(folder: str) -> None:
    # `envoy` holds Envoy's protobuf messages, `proto` is proto-plus.
    assert not list((ROOT / folder).rglob("__init__.py"))


def test_no_python_stands_under_envoy() -> None:
    assert not list((ROOT / "envoy").rglob("*.py"))


def test_every_dependency_is_pinned_with_a_hash() -> None:
    blocks = re.split(r"\n(?=[a-z])", LOCK.read_text().split("\n", maxsplit=1)[1])
    pinned = [block for block in blocks if re.match(r"[a-z0-9._-]+==\S+", block)]
    assert len(pinned) > 50
    assert [block for block in pinned if "--hash=sha256:" not in block] == []


def test_the_lock_names_no_package_index() -> None:
    assert "://" not in LOCK.read_text()
    assert not re.search(r"^\s*--(?!hash)", LOCK.read_text(), re.MULTILINE)
