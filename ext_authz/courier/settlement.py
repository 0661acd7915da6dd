"""What a call really used, as Envoy's access log tells it. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

_NAMESPACE = "envoy.filters.http.ext_authz"
_SERVER_ERROR = 500
# What Envoy says of a call that never got the gate's answer: it gave up on the gate, or the client
# broke off meanwhile, in one of these ways. Others without an answer, unknown routes for one, were
# never asked about; taking them all would let anybody fill Redis.
_WITHOUT_VERDICT = (
    "ext_authz_error",
    "downstream_remote_disconnect",
    "http2.remote_reset",
    "http2.remote_refuse",
    "http3.remote_reset",
    "codec_error",
    "http1.codec_error",
)
# The answer had begun with 200 when the API broke off.
_BROKE_OFF = "upstream_reset_after_response_started"


@dataclass(frozen=True, slots=True)
class Settlement:
    """The end of one call.

    `charge_id` names the reservation. It is empty when the gate's answer never reached Envoy: then
    only `request_id` tells which reservation, if any, was made in vain.
    """

    charge_id: str
    request_id: str
    units: int
    is_correction: bool
    """True when `units` differ from what was reserved."""


def settle(entry: Any) -> Settlement | None:
    """Read an `envoy.data.accesslog.v3.HTTPAccessLogEntry`; None when nothing is to be settled."""
    common = entry.common_properties
    if common.intermediate_log_entry:
        return None
    if _NAMESPACE in common.metadata.filter_metadata:
        return _settle_verdict(entry, common.metadata.filter_metadata[_NAMESPACE])
    request_id = entry.request.request_id
    if request_id and _was_broken_off(entry.response):
        # The gate may have reserved all the same.
        return Settlement("", request_id, units=0, is_correction=True)
    return None


def _was_broken_off(response: Any) -> bool:
    if response.response_code_details:
        return bool(response.response_code_details.startswith(_WITHOUT_VERDICT))
    # Nothing to say and no status: it ended before anything began.
    return not response.response_code.value


def _settle_verdict(entry: Any, metadata: Any) -> Settlement | None:
    if "charge_id" not in metadata.fields:
        return None
    try:
        reserved = int(metadata["units"])
    except (LookupError, TypeError, ValueError):
        # Not written by this gate. The charge stays as estimated, and the entries beside it count.
        return None
    # The API, or the way to it, failed: the seller's side, so the caller does not pay.
    response = entry.response
    failed = (
        response.response_code.value >= _SERVER_ERROR
        or response.response_code_details.startswith(_BROKE_OFF)
    )
    units = 0 if failed else reserved
    return Settlement(
        metadata["charge_id"],
        entry.request.request_id,
        units,
        is_correction=units != reserved,
    )
