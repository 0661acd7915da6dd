"""How much is measured, and for how long."""

from __future__ import annotations

from dataclasses import dataclass

# Where throughput and cost of a worker are read: enough to keep it busy all the time. Nothing else
# is asked of the load generator then.
BUSY_IN_FLIGHT = 128
# Where latencies are compared, and Envoy with and without a gate.
COMMON_IN_FLIGHT = 32

MEMORY_KEYS = 100_000
MEMORY_CHECKS_FROM = 100_000
MEMORY_CHECKS_TO = 1_000_000


@dataclass(frozen=True)
class Plan:
    """Every round measures everything once, so that a slow minute of the machine hits all."""

    name: str
    rounds: int
    seconds: float
    direct_in_flight: tuple[int, ...]
    envoy_connections: tuple[int, ...]
    # Also the subjects that no figure needs.
    all_subjects: bool
    # The memory figure comes last, and is left out if it is not there so long after the start.
    memory_by_seconds: float

    def runs(self, subjects: int) -> int:
        """How often the load generator runs; Envoy is also measured without a gate."""
        direct = subjects * (1 + self.rounds * len(self.direct_in_flight))
        return direct + (subjects + 1) * (1 + self.rounds * len(self.envoy_connections))


FULL = Plan(
    name="full",
    rounds=5,
    seconds=2.0,
    direct_in_flight=(1, COMMON_IN_FLIGHT, BUSY_IN_FLIGHT, 256),
    envoy_connections=(1, COMMON_IN_FLIGHT, 256),
    all_subjects=True,
    memory_by_seconds=1_200.0,
)
# Within 45 seconds, start and stop included.
QUICK = Plan(
    name="quick",
    rounds=3,
    seconds=0.4,
    direct_in_flight=(COMMON_IN_FLIGHT, BUSY_IN_FLIGHT),
    envoy_connections=(COMMON_IN_FLIGHT,),
    all_subjects=False,
    memory_by_seconds=40.0,
)
