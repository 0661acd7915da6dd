"""What a call really used, as Envoy's access log tells it. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

_NAMESPACE = "envoy.filters.http.ext_authz"
_SERVER_ERROR = 500


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
    # No verdict and no upstream: Envoy gave up on the gate, or the client went away meanwhile. The
    # gate may have reserved all the same.
    if entry.request.request_id and not common.HasField("upstream_remote_address"):
        return Settlement("", entry.request.request_id, units=0, is_correction=True)
    return None


def _settle_verdict(entry: Any, metadata: Any) -> Settlement | None:
    if "charge_id" not in metadata.fields:
        return None
    reserved = int(metadata["units"])
    # The API, or the way to it, failed: the seller's side, so the caller does not pay.
    failed = entry.response.response_code.value >= _SERVER_ERROR
    units = 0 if failed else reserved
    return Settlement(
        metadata["charge_id"],
        entry.request.request_id,
        units,
        is_correction=units != reserved,
    )
