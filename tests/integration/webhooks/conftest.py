from __future__ import annotations

import pytest


@pytest.fixture
def free_url(free_port: int) -> str:
    """Where no PostgreSQL is."""
    return f"postgresql://nobody:secret@127.0.0.1:{free_port}/none"
