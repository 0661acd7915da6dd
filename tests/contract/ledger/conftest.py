from __future__ import annotations

from tests.integration.ledger.ledger_process import ledger, settings

__all__ = ["ledger", "settings"]
