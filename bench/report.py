"""What a run leaves behind: one JSON document, the figures first."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import orjson

from bench.figures import Measured, figures, left_out

if TYPE_CHECKING:
    import datetime as dt
    from pathlib import Path

    from bench.plan import Plan

# Past it somebody else worked on the machine, and the figures say less.
OTHERS_SHARE_MAX = 0.05


@dataclass(frozen=True)
class Report:
    plan: Plan
    begun: dt.datetime
    seconds: float
    machine: dict[str, object]
    measured: Measured

    @property
    def others_share(self) -> float:
        """The most of the machine that others used during any row's runs, in the middle round."""
        rows = [*self.measured.direct, *self.measured.through_envoy]
        return max((row.median.others_share for row in rows), default=0.0)

    def document(self) -> dict[str, object]:
        measured = self.measured
        return {
            **figures(measured),
            "left_out": left_out(measured),
            "gate": measured.shipped,
            "begun": self.begun.isoformat(timespec="seconds"),
            "seconds": self.seconds,
            "others_share": self.others_share,
            "machine": self.machine,
            "plan": asdict(self.plan),
            "cores": asdict(measured.cores),
            "direct": [asdict(row) for row in measured.direct],
            "through_envoy": [asdict(row) for row in measured.through_envoy],
            "memory": asdict(measured.memory) if measured.memory else None,
        }

    def write(self, folder: Path) -> Path:
        folder.mkdir(exist_ok=True)
        path = folder / f"{self.plan.name}.json"
        path.write_bytes(
            orjson.dumps(_rounded(self.document()), option=orjson.OPT_INDENT_2) + b"\n"
        )
        return path


def _rounded(value: Any) -> Any:
    """More digits would only be noise in a comparison of two results."""
    match value:
        case float():
            return round(value, 3)
        case dict():
            return {key: _rounded(each) for key, each in value.items()}
        case list():
            return [_rounded(each) for each in value]
        case _:
            return value
