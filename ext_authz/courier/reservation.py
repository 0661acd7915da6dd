"""A reservation: what the gate wrote when it let a call pass."""

from __future__ import annotations

from dataclasses import dataclass

from google.protobuf.timestamp_pb2 import Timestamp

from tollkeeper.api.ledger.v1.usage_pb2 import UsageEvent

SOURCE = "gate"


@dataclass(frozen=True, slots=True)
class Reservation:
    """One entry of a partition's charge stream."""

    partition: int
    entry_id: bytes
    charge_id: str
    tenant_id: str
    key_id: str
    metric: str
    units: int
    at_micros: int
    request_id: str

    @classmethod
    def from_entry(cls, partition: int, entry_id: bytes, fields: dict[bytes, bytes]) -> Reservation:
        """Read what `lua/admit.lua` appended. Raises KeyError or ValueError for anything else."""
        charge_id, tenant_id, key_id, metric, units, request_id = (
            fields[b"call"].decode().split(" ", maxsplit=5)
        )
        reservation = cls(
            partition=partition,
            entry_id=entry_id,
            charge_id=charge_id,
            tenant_id=tenant_id,
            key_id=key_id,
            metric=metric,
            units=int(units),
            at_micros=int(fields[b"at"]),
            request_id=request_id,
        )
        # What cannot be told to the ledger, for a number past 64 bits, must not stop what can.
        reservation.usage_event(reservation.units, unsettled=False)
        return reservation

    def usage_event(self, units: int, *, unsettled: bool) -> UsageEvent:
        """What the ledger is told: `units` were really used."""
        at = Timestamp()
        at.FromMicroseconds(self.at_micros)
        return UsageEvent(
            id=self.charge_id,
            source=SOURCE,
            tenant_id=self.tenant_id,
            key_id=self.key_id,
            metric=self.metric,
            units=units,
            reserved_units=self.units,
            occurred_at=at,
            request_id=self.request_id,
            unsettled=unsettled,
        )
