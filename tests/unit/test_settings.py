from __future__ import annotations

import pytest

from ext_authz.courier.settings import CourierSettings
from tollkeeper.runtime.errors import OperatorError


def test_all_faults_are_named_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOLLKEEPER_LEDGER_ADDRESS", "18020")
    monkeypatch.setenv("TOLLKEEPER_COURIER_LISTEN", "127.0.0.1:99999")
    monkeypatch.setenv("TOLLKEEPER_SETTLE_WAIT_SECONDS", "-1")
    with pytest.raises(OperatorError) as caught:
        CourierSettings.read()
    message = str(caught.value)
    assert "TOLLKEEPER_LEDGER_ADDRESS: must be HOST:PORT" in message
    assert "TOLLKEEPER_COURIER_LISTEN: must be HOST:PORT" in message
    assert "TOLLKEEPER_SETTLE_WAIT_SECONDS: Input should be greater than or equal to 0" in message
