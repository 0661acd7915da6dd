"""The form of the plan file: which fields there are, and which go together."""

from __future__ import annotations

from typing import Annotated, Any, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    RootModel,
    StringConstraints,
    model_validator,
)

from ledger.domain.plan import Cap, Plan, Quota, RateLimits
from ledger.domain.price import Money, UnitPrice, parse_money, parse_unit_price

# A quadrillion: past any meter, and far enough from 2^63 that adding a grace cannot overflow.
_UNITS_MAX = 10**15
# A microsecond between calls is the smallest that the gate can tell apart.
_PER_SECOND_MAX = 1_000_000
_CALLS_MAX = 1_000_000_000

Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,63}$")]


def _included(value: Any) -> int | None:
    if value == "unlimited":
        return None
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= _UNITS_MAX:
        raise ValueError(f"must be a whole number from 0 to {_UNITS_MAX}, or unlimited")
    return value


def _text(value: Any) -> str:
    # A bare 0.01 is a float by the time we see it, and may not be what was written any more.
    if not isinstance(value, str):
        raise ValueError(  # noqa: TRY004 - pydantic makes a fault of a ValueError only
            f"must name its currency, like {value} USD"
            if isinstance(value, (int, float)) and not isinstance(value, bool)
            else "must be a price, like 0.10 USD"
        )
    return value


def _money(value: Any) -> Money:
    return parse_money(_text(value))


def _unit_price(value: Any) -> UnitPrice:
    return parse_unit_price(_text(value))


class _Document(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class QuotaDocument(_Document):
    included: Annotated[int | None, BeforeValidator(_included)]
    cap: Cap
    grace_percent: int | None = Field(default=None, ge=0, le=1_000)
    overage: Annotated[UnitPrice | None, BeforeValidator(_unit_price)] = None

    @model_validator(mode="after")
    def _go_together(self) -> Self:
        if self.included is None and (self.cap != "none" or self.overage):
            raise ValueError("is unlimited, so its cap must be none and it sells no overage")
        if self.included is not None and self.cap == "none" and self.overage is None:
            raise ValueError("has no cap, so it must sell its overage at a price")
        if self.overage and self.cap != "none":
            raise ValueError("sells overage, so its cap must be none")
        if (self.cap == "soft") != (self.grace_percent is not None):
            raise ValueError("must have grace_percent if its cap is soft, and only then")
        return self

    def quota(self, metric: str) -> Quota:
        return Quota(metric, self.included, self.cap, self.grace_percent or 0, self.overage)


class LimitsDocument(_Document):
    burst_per_second: int = Field(ge=1, le=_PER_SECOND_MAX)
    burst_capacity: int = Field(ge=1, le=_CALLS_MAX)
    rate_per_minute: int = Field(ge=1, le=_CALLS_MAX)

    def limits(self) -> RateLimits:
        return RateLimits(self.burst_per_second, self.burst_capacity, self.rate_per_minute)


class PlanDocument(_Document):
    name: Annotated[str, StringConstraints(min_length=1, max_length=128)]
    base_price: Annotated[Money, BeforeValidator(_money)]
    limits: LimitsDocument
    quotas: dict[Name, QuotaDocument]

    @model_validator(mode="after")
    def _one_currency(self) -> Self:
        for metric, quota in self.quotas.items():
            if quota.overage and quota.overage.currency != self.base_price.currency:
                raise ValueError(
                    f"is sold in {self.base_price.currency}, so the overage of {metric} must be too"
                )
        return self

    def plan(self, plan_id: str) -> Plan:
        quotas = tuple(quota.quota(metric) for metric, quota in self.quotas.items())
        return Plan(plan_id, self.name, self.base_price, self.limits.limits(), quotas)


class CatalogueDocument(RootModel[dict[Name, PlanDocument]]):
    @model_validator(mode="after")
    def _some(self) -> Self:
        if not self.root:
            raise ValueError("names no plan")
        return self
