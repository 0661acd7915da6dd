from __future__ import annotations

import socket
import time
from typing import TYPE_CHECKING

import pytest

from tollkeeper.api.ledger.v1.plans_pb2 import ListPlansRequest
from tollkeeper.cli import ledger_client
from tollkeeper.cli.ledger_client import open_ledger
from tollkeeper.runtime.errors import OperatorError

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def deaf_address() -> Iterator[str]:
    """Accepts connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"127.0.0.1:{listener.getsockname()[1]}"


@pytest.fixture
def closed_address() -> str:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return f"127.0.0.1:{listener.getsockname()[1]}"


def test_a_ledger_that_is_not_there_is_said_at_once_with_the_remedy(closed_address: str) -> None:
    begun = time.monotonic()

    with pytest.raises(OperatorError) as raised:
        list_plans(closed_address)

    assert str(raised.value) == (
        f"the ledger does not answer at {closed_address}: start it with `tollkeeper up`, "
        "or set TOLLKEEPER_LEDGER_ADDRESS"
    )
    assert time.monotonic() - begun < 4


def test_a_ledger_that_says_nothing_is_given_up_at_the_deadline(
    deaf_address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledger_client, "_DEADLINE_SECONDS", 0.3)

    with pytest.raises(OperatorError, match=r"did not answer within 0\.3 s"):
        list_plans(deaf_address)


def test_a_proxy_of_the_environment_is_not_asked(
    closed_address: str, deaf_address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", f"http://{deaf_address}")
    monkeypatch.setenv("no_proxy", "")

    with pytest.raises(OperatorError, match=f"does not answer at {closed_address}"):
        list_plans(closed_address)


def list_plans(address: str) -> None:
    with open_ledger(address) as ledger:
        ledger.call(ledger.plans.ListPlans, ListPlansRequest())
