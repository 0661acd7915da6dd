"""What the access log makes of a reservation."""

from __future__ import annotations

from typing import Any

import pytest
from envoy.data.accesslog.v3 import accesslog_pb2

from ext_authz.courier.settlement import Settlement, settle

CHARGE = {"charge_id": "dec_1", "units": "5"}


def entry(
    metadata: dict[str, str] | None,
    status: int,
    *,
    details: str = "via_upstream",
    request_id: str = "r-1",
    intermediate: bool = False,
) -> Any:
    log = accesslog_pb2.HTTPAccessLogEntry()
    common = log.common_properties
    common.intermediate_log_entry = intermediate
    if metadata is not None:
        common.metadata.filter_metadata["envoy.filters.http.ext_authz"].update(metadata)
    log.request.request_id = request_id
    log.response.response_code.value = status
    log.response.response_code_details = details
    return log


CASES = [
    # what, entry, settlement
    ("success", entry(CHARGE, 200), Settlement("dec_1", "r-1", 5, is_correction=False)),
    ("the caller's fault", entry(CHARGE, 404), Settlement("dec_1", "r-1", 5, is_correction=False)),
    ("the API failed", entry(CHARGE, 500), Settlement("dec_1", "r-1", 0, is_correction=True)),
    (
        "the API was not reached",
        entry(CHARGE, 503, details="upstream_reset_before_response_started{…}"),
        Settlement("dec_1", "r-1", 0, is_correction=True),
    ),
    (
        "the API broke off in the middle of a 200",
        entry(CHARGE, 200, details="upstream_reset_after_response_started{…}"),
        Settlement("dec_1", "r-1", 0, is_correction=True),
    ),
    (
        "the caller hung up after the API was asked",
        entry(CHARGE, 0, details="downstream_remote_disconnect"),
        Settlement("dec_1", "r-1", 5, is_correction=False),
    ),
    ("refused", entry({"decision_id": "dec_1"}, 429, details="ext_authz_denied"), None),
    (
        "no verdict",
        entry(None, 503, details="ext_authz_error"),
        Settlement("", "r-1", 0, is_correction=True),
    ),
    (
        "the caller hung up while the gate was asked",
        entry(None, 0, details="downstream_remote_disconnect"),
        Settlement("", "r-1", 0, is_correction=True),
    ),
    (
        "the caller reset its stream while the gate was asked",
        entry(None, 0, details="http2.remote_reset"),
        Settlement("", "r-1", 0, is_correction=True),
    ),
    (
        "the caller broke off, and Envoy has nothing to say",
        entry(None, 0, details=""),
        Settlement("", "r-1", 0, is_correction=True),
    ),
    ("refused before it was asked", entry(None, 400, details=""), None),
    ("no verdict, no request id", entry(None, 503, details="ext_authz_error", request_id=""), None),
    ("a route that does not exist", entry(None, 404, details="route_not_found"), None),
    ("a route that the gate does not guard", entry(None, 200), None),
    ("not the end yet", entry(CHARGE, 200, intermediate=True), None),
]


@pytest.mark.parametrize(
    ("log", "settlement"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)
def test_settlement(log: Any, settlement: Settlement | None) -> None:
    assert settle(log) == settlement
