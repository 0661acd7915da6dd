"""What the ledger counts."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

USAGE_EVENTS = Counter(
    "tollkeeper_ledger_usage_events_total", "Usage events received, by outcome", ["outcome"]
)
USAGE_BATCH_EVENTS = Histogram(
    "tollkeeper_ledger_usage_batch_events",
    "Events in a batch of usage",
    buckets=(1, 10, 100, 500, 1_000, 5_000, 10_000),
)
USAGE_BATCH_SECONDS = Histogram(
    "tollkeeper_ledger_usage_batch_seconds", "Time to record a batch of usage, commit included"
)
POLICY_WATCHERS = Gauge(
    "tollkeeper_ledger_policy_watchers", "Couriers that watch policy changes now"
)
POLICY_LAG_SECONDS = Histogram(
    "tollkeeper_ledger_policy_lag_seconds",
    "From the oldest change in a look at the outbox to sending it to a watcher",
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60),
)
UPKEEP_FAILURES = Counter(
    "tollkeeper_ledger_upkeep_failures_total", "Background work that failed, by task", ["task"]
)
