"""What it costs only to read the check: how fast this machine is, for comparing figures."""

from __future__ import annotations

import time
import timeit

from envoy.service.auth.v3 import external_auth_pb2

from bench.check_request import check_request

_TIMES = 10_000
_REPEATS = 9


def parse_us(key: str) -> float:
    """Microseconds of CPU per parse with upb, as the server does it."""
    data = check_request(key).SerializeToString()
    parse = external_auth_pb2.CheckRequest.FromString
    runs = timeit.repeat(
        lambda: parse(data), number=_TIMES, repeat=_REPEATS, timer=time.process_time
    )
    # The fastest is the machine's own; the others were disturbed.
    return min(runs) / _TIMES * 1e6
