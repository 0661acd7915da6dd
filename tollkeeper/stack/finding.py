"""One line of `tollkeeper doctor`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Level = Literal["well", "warning", "fault"]

_MARKS = {"well": "✓", "warning": "!", "fault": "✗"}
_NAME_WIDTH = 14


@dataclass(frozen=True)
class Finding:
    level: Level
    name: str
    detail: str
    # What to do next; empty when nothing is to be done.
    advice: str = ""

    def line(self) -> str:
        advice = f" → {self.advice}" if self.advice else ""
        return f"{_MARKS[self.level]} {self.name:<{_NAME_WIDTH}} {self.detail}{advice}"

    def as_json(self) -> dict[str, str]:
        return {
            "level": self.level,
            "name": self.name,
            "detail": self.detail,
            "advice": self.advice,
        }
