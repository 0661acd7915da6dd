"""What the caller may know of its limits.

`RateLimit-Policy` and `RateLimit` follow draft-ietf-httpapi-ratelimit-headers-10: structured
fields, `q` quota, `w` window in seconds, `r` left, `t` seconds until it is restored.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ext_authz.decision import Limit

POLICY_HEADER = "ratelimit-policy"
LIMITS_HEADER = "ratelimit"


def rate_limit_headers(limits: Sequence[Limit], *, legacy: bool) -> list[tuple[str, str]]:
    """Headers for the caller; `legacy` adds the older set, for the limit nearest its end."""
    if not limits:
        return []
    headers = [(POLICY_HEADER, policy_value(limits)), (LIMITS_HEADER, limits_value(limits))]
    if legacy:
        nearest = min(limits, key=lambda limit: limit.left)
        headers += [
            ("x-ratelimit-limit", str(nearest.quota)),
            ("x-ratelimit-remaining", str(nearest.left)),
            ("x-ratelimit-reset", str(nearest.reset_seconds)),
        ]
    return headers


def policy_value(limits: Sequence[Limit]) -> str:
    return ", ".join(f'"{limit.name}";q={limit.quota};w={limit.window_seconds}' for limit in limits)


def limits_value(limits: Sequence[Limit]) -> str:
    return ", ".join(f'"{limit.name}";r={limit.left};t={limit.reset_seconds}' for limit in limits)
