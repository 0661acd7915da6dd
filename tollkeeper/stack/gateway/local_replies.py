"""What Envoy itself answers when there is no verdict, in the form of all other refusals."""

from __future__ import annotations

from envoy_data_plane.envoy.config.accesslog import v3 as accesslog
from envoy_data_plane.envoy.config.core import v3 as core
from envoy_data_plane.envoy.extensions.filters.network.http_connection_manager import v3 as hcm
from envoy_data_plane.google.protobuf import Struct

_UNAVAILABLE = 503
_PROBLEM = {
    "type": "urn:tollkeeper:problem:unavailable",
    "title": "No verdict",
    # Alone in its string it stays a number; a number here would be written as 503.0.
    "status": "%RESPONSE_CODE%",
    "detail": "Whether this call may pass could not be decided. Retry after a moment.",
    "reason": "unavailable",
    # There is no decision, hence no decision id; the access log knows the call by this one.
    "request_id": "%REQ(X-REQUEST-ID)%",
}


def local_replies() -> hcm.LocalReplyConfig:
    return hcm.LocalReplyConfig(
        mappers=[
            hcm.ResponseMapper(
                filter=_no_verdict(),
                body_format_override=core.SubstitutionFormatString(
                    json_format=Struct.from_dict(_PROBLEM),
                    content_type="application/problem+json",
                ),
                headers_to_add=[
                    core.HeaderValueOption(header=core.HeaderValue(key="retry-after", value="1"))
                ],
            )
        ]
    )


def _no_verdict() -> accesslog.AccessLogFilter:
    # Envoy flags the gate's refusals alike, but the gate never refuses with 503.
    status = accesslog.StatusCodeFilter(
        comparison=accesslog.ComparisonFilter(
            op=accesslog.ComparisonFilterOp.EQ,
            value=core.RuntimeUInt32(
                default_value=_UNAVAILABLE, runtime_key="tollkeeper.no_verdict_status"
            ),
        )
    )
    flag = accesslog.ResponseFlagFilter(flags=["UAEX"])
    return accesslog.AccessLogFilter(
        and_filter=accesslog.AndFilter(
            filters=[
                accesslog.AccessLogFilter(status_code_filter=status),
                accesslog.AccessLogFilter(response_flag_filter=flag),
            ]
        )
    )
