"""Free ports, also while other workers of the same test run look for theirs."""

from __future__ import annotations

import os
import random

from tollkeeper.stack.ports import Ports, is_free

# Below the ports that the system gives to outgoing connections, so that none is taken in between.
_RANGE = (20_000, 32_000)
_STACK_RANGE = (10_000, 17_800)
_STACK_STEP = 200
_WORKERS_MAX = 16


class FreePorts:
    """Hands out each port once. Every xdist worker has a share of the range to itself."""

    def __init__(self) -> None:
        worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
        first, last = _RANGE
        share = (last - first) // _WORKERS_MAX
        start = first + worker % _WORKERS_MAX * share
        self._ports = iter(_shuffled(range(start, start + share)))
        # Bases are tried when they are used, which is too late to notice that another worker has
        # just taken the same one: so no two have one in common.
        workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
        self._bases = iter(_shuffled(range(*_STACK_RANGE, _STACK_STEP)[worker::workers]))

    def port(self) -> int:
        return next(port for port in self._ports if is_free(port))

    def stack_base(self) -> int:
        """A base for `tollkeeper up --port-base` with all its ports free."""
        return next(base for base in self._bases if _all_free(base))


def _all_free(base: int) -> bool:
    wanted = Ports(base).by_part.values()
    return all(is_free(port) for ports in wanted for port in ports)


def _shuffled(ports: range) -> list[int]:
    # Two test runs on one machine rarely begin at the same place.
    return random.sample(ports, len(ports))
