"""The report as a picture: three panels of bars, as SVG that any page can show."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

from bench.figures import NO_GATE
from bench.plan import BUSY_IN_FLIGHT, COMMON_IN_FLIGHT
from bench.table import wait

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from bench.report import Report
    from bench.sample import Row

_WIDTH = 960
_MARGIN = 24
_LABEL_WIDTH = 190
# Behind the longest bar stands its value.
_VALUE_WIDTH = 100
_BAR_WIDTH = _WIDTH - 2 * _MARGIN - _LABEL_WIDTH - _VALUE_WIDTH
_ROW_HEIGHT = 24
_BAR_HEIGHT = 16
_PANEL_HEAD = 56
_HEAD = 70
_STYLE = """
    text { font: 14px Helvetica, Arial, sans-serif; fill: #1b2430; }
    .title { font-size: 20px; font-weight: bold; }
    .panel { font-size: 15px; font-weight: bold; }
    .note { font-size: 13px; fill: #51606f; }
    .end { text-anchor: end; }
    .gate { fill: #1f6feb; }
    .other { fill: #9aa7b4; }
    .axis { stroke: #d0d7de; }
"""


@dataclass(frozen=True)
class Bar:
    label: str
    value: float
    text: str
    # Ours, or what ours is held against.
    gate: bool


@dataclass(frozen=True)
class Panel:
    title: str
    bars: Sequence[Bar]

    @property
    def height(self) -> int:
        return _PANEL_HEAD + _ROW_HEIGHT * len(self.bars)


def picture(report: Report) -> str:
    panels = [panel for panel in _panels(report) if panel.bars]
    height = _HEAD + sum(panel.height for panel in panels) + _MARGIN
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}">',
        f"  <title>What a check costs: {escape(_where(report))}</title>",
        f"  <style>{_STYLE}  </style>",
        f'  <rect width="{_WIDTH}" height="{height}" fill="#ffffff"/>',
        _text("title", _MARGIN, 40, "What a check costs"),
        _text("note", _MARGIN, 62, _where(report)),
    ]
    top = _HEAD
    for panel in panels:
        parts.extend(_draw(panel, top))
        top += panel.height
    return "\n".join([*parts, "</svg>", ""])


def _where(report: Report) -> str:
    machine, plan = report.machine, report.plan
    return (
        f"{machine['cpu']}, {machine['cores']} cores; Python {machine['python']}, "
        f"Redis {machine['redis_server']}, Envoy {machine['envoy']}; "
        f"medians of {plan.rounds} rounds; {report.begun:%Y-%m-%d}"
    )


def _panels(report: Report) -> Iterator[Panel]:
    direct = report.measured.direct
    common = [row for row in direct if row.in_flight == COMMON_IN_FLIGHT]
    yield Panel(
        f"Checks per second of one worker, {BUSY_IN_FLIGHT} in flight",
        [_rate(row) for row in direct if row.in_flight == BUSY_IN_FLIGHT],
    )
    yield Panel(
        f"Requests per second through Envoy, {COMMON_IN_FLIGHT} connections",
        [_rate(row) for row in report.measured.through_envoy if row.in_flight == COMMON_IN_FLIGHT],
    )
    yield Panel(
        f"How long a check takes with {COMMON_IN_FLIGHT} in flight at full load",
        [bar for row in common for bar in _waits(row)],
    )


def _rate(row: Row) -> Bar:
    rate = row.median.per_second
    return Bar(row.title, rate, f"{rate:,.0f}", _is_gate(row))


def _waits(row: Row) -> Iterator[Bar]:
    if row.latency is None:
        return
    ranks = {
        f"{row.title}: p50": row.latency.p50,
        "p99": row.latency.p99,
        "p99.9": row.latency.p99_9,
    }
    for label, micros in ranks.items():
        yield Bar(label, micros, wait(micros), _is_gate(row))


def _is_gate(row: Row) -> bool:
    return row.subject != NO_GATE and row.median.redis_us is not None


def _draw(panel: Panel, top: int) -> Iterator[str]:
    yield _text("panel", _MARGIN, top + 40, panel.title)
    left = _MARGIN + _LABEL_WIDTH
    first = top + _PANEL_HEAD
    bottom = first + _ROW_HEIGHT * len(panel.bars)
    yield f'  <path class="axis" d="M{left} {first}V{bottom - _ROW_HEIGHT + _BAR_HEIGHT}"/>'
    most = max(bar.value for bar in panel.bars) or 1
    for number, bar in enumerate(panel.bars):
        y = first + number * _ROW_HEIGHT
        # A sliver, so that a small value is not taken for a missing one.
        width = max(1, round(_BAR_WIDTH * bar.value / most))
        yield _text("end", left - 10, y + 13, bar.label)
        yield (
            f'  <rect class="{"gate" if bar.gate else "other"}" x="{left}" y="{y}" '
            f'width="{width}" height="{_BAR_HEIGHT}"/>'
        )
        yield _text("note", left + width + 8, y + 13, bar.text)


def _text(kind: str, x: int, y: int, text: str) -> str:
    return f'  <text class="{kind}" x="{x}" y="{y}">{escape(text)}</text>'
