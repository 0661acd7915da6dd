from __future__ import annotations

from tests.support.ledger_process import ledger, settings

__all__ = ["ledger", "settings"]
