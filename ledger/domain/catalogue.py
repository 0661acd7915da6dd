"""The plan catalogue, read from a file that a product person reviews."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import ValidationError

from ledger.domain.lined_yaml import Fault, LinedYaml, read_lined_yaml
from ledger.domain.plan_document import CatalogueDocument
from tollkeeper.runtime.errors import OperatorError

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

    from ledger.domain.plan import Plan


@dataclass(frozen=True)
class Catalogue:
    plans: tuple[Plan, ...]
    """Cheapest first."""

    @property
    def metrics(self) -> frozenset[str]:
        return frozenset(quota.metric for plan in self.plans for quota in plan.quotas)

    def plan(self, plan_id: str) -> Plan | None:
        return next((plan for plan in self.plans if plan.id == plan_id), None)


def parse_catalogue(text: str, file_name: str) -> Catalogue:
    """The plans in `text`.

    Raises OperatorError that names every fault together, each with its line and its path.
    """
    lined = read_lined_yaml(text)
    faults = list(lined.faults)
    document = None
    # Without content there is no more to say than why there is none.
    if lined.value is not None or not faults:
        try:
            document = CatalogueDocument.model_validate(lined.value)
        except ValidationError as error:
            faults += [_fault(lined, details) for details in error.errors()]
    if faults or document is None:
        raise OperatorError("\n".join(_line(file_name, fault) for fault in sorted(set(faults))))
    plans = [entry.plan(plan_id) for plan_id, entry in document.root.items()]
    return Catalogue(tuple(sorted(plans, key=lambda plan: plan.base_price.micros)))


def _line(file_name: str, fault: Fault) -> str:
    return ": ".join(filter(None, (f"{file_name}:{fault.line}", fault.path, fault.what)))


def _fault(lined: LinedYaml, details: ErrorDetails) -> Fault:
    # "[key]" is how pydantic says that the key itself is at fault.
    path = tuple(str(part) for part in details["loc"] if part != "[key]")
    return Fault(lined.line_of(path), ".".join(path), _what(details))


def _what(details: ErrorDetails) -> str:
    form = _WHAT.get(details["type"])
    if form is None:
        return details["msg"]
    return form.format(**details.get("ctx", {})).replace("'", "")


# pydantic's words, in ours.
_WHAT = {
    "missing": "is missing",
    "extra_forbidden": "is not a field we know",
    "literal_error": "must be {expected}",
    "int_type": "must be a whole number",
    "string_type": "must be text",
    "string_too_short": "must not be empty",
    "string_too_long": "must have at most {max_length} characters",
    "string_pattern_mismatch": (
        "must be of a-z, 0-9 and _, beginning with a letter, at most 64 characters"
    ),
    "greater_than_equal": "must be at least {ge}",
    "less_than_equal": "must be at most {le}",
    "model_type": "must be a group of fields",
    "dict_type": "must be a group of fields",
    "value_error": "{error}",
}
