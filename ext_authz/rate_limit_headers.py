"""What the caller may know of its limits.

`RateLimit-Policy` and `RateLimit` follow draft-ietf-httpapi-ratelimit-headers-10: structured
fields, `q` quota, `w` window in seconds, `r` left, `t` seconds until it is restored.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ext_authz.decision import Limit


def rate_limit_headers(limits: tuple[Limit, ...], *, legacy: bool) -> list[tuple[str, str]]:
    """Headers for the caller; `legacy` adds the older set, for the limit nearest its end."""
    if not limits:
        return []
    headers = [
        (
            "ratelimit-policy",
            ", ".join(
                f'"{limit.name}";q={limit.quota};w={limit.window_seconds}' for limit in limits
            ),
        ),
        (
            "ratelimit",
            ", ".join(f'"{limit.name}";r={limit.left};t={limit.reset_seconds}' for limit in limits),
        ),
    ]
    if legacy:
        nearest = min(limits, key=lambda limit: limit.left)
        headers += [
            ("x-ratelimit-limit", str(nearest.quota)),
            ("x-ratelimit-remaining", str(nearest.left)),
            ("x-ratelimit-reset", str(nearest.reset_seconds)),
        ]
    return headers
