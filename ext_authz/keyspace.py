"""Every key in Redis and how long it lives.

All keys of a tenant carry the hash tag of its partition, `{p17}`, so one script touches one slot,
on a single Redis and on Redis Cluster alike.

| key | type | holds | lives |
| --- | --- | --- | --- |
| `tk:{p17}:key:<sha256>` | hash | what an API key may do | as long as the ledger has the key |
| `tk:{p17}:tenant:<id>` | hash | what a tenant may do | as long as the ledger has the tenant |
| `tk:{p17}:state:<id>` | hash | counters, packed: see `lua/admit.lua` | as the tenant |
| `tk:{p17}:charges` | stream | reservations not yet carried | an entry until the ledger has it |
| `tk:{p17}:charges:dead` | stream | charges the ledger refused | until a person deals with them |
| `tk:correction:<charge>` | string | units a call really used | `CORRECTION_TTL_SECONDS` |
| `tk:correction:<request>` | string | 0: no verdict reached Envoy | `NO_VERDICT_TTL_SECONDS` |
| `tk:policy:position` | string | up to where policies are applied | 0 or absent: all are wanted |
"""

from __future__ import annotations

POLICY_POSITION = "tk:policy:position"

# Channel: the names of key and tenant records that changed.
CHANGES = "tk:changes"

# A correction waits for its reservation to come up for carrying: seconds, or as long as the ledger
# is down. A day covers an outage that nobody noticed overnight; a week would only cost memory.
CORRECTION_TTL_SECONDS = 86_400

# Callers who hang up make these, with a reservation behind them or not, as many as they like. A
# quarter of an hour outlasts a restart of the ledger and bounds what they can fill.
NO_VERDICT_TTL_SECONDS = 900


def key_record(partition: int, sha256: bytes) -> str:
    return f"tk:{{p{partition}}}:key:{sha256.hex()}"


def tenant_record(partition: int, tenant_id: str) -> str:
    return f"tk:{{p{partition}}}:tenant:{tenant_id}"


def tenant_state(partition: int, tenant_id: str) -> str:
    return f"tk:{{p{partition}}}:state:{tenant_id}"


def charges(partition: int) -> str:
    return f"tk:{{p{partition}}}:charges"


def dead_charges(partition: int) -> str:
    return f"tk:{{p{partition}}}:charges:dead"


def correction(identifier: str) -> str:
    """`identifier` is a charge id, or the request id of a call that got no verdict."""
    return f"tk:correction:{identifier}"
