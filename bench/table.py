"""The report for a person at a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich import box
from rich.table import Table

from bench.figures import figures, left_out
from bench.report import OTHERS_SHARE_MAX

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rich.console import RenderableType

    from bench.figures import Measured
    from bench.report import Report
    from bench.sample import Row

_NOTHING = "-"
_MILLI = 1_000


def tables(report: Report) -> Iterator[RenderableType]:
    measured = report.measured
    yield _rows("Direct: checks over gRPC", "in\nflight", measured.direct)
    yield _rows("Through Envoy: API calls over HTTP/1.1", "connec-\ntions", measured.through_envoy)
    yield _figures(measured)
    if report.others_share > OTHERS_SHARE_MAX:
        yield (
            f"[yellow]Others used up to {report.others_share:.0%} of this machine meanwhile: "
            "repeat it when they are done.[/]"
        )


def _rows(title: str, load: str, rows: Sequence[Row]) -> Table:
    table = _table(title)
    table.add_column("subject", no_wrap=True)
    for heading in (load, "per\nsecond", "max/\nmin", "failed"):
        table.add_column(heading, justify="right")
    for rank in ("p50", "p99", "p99.9"):
        table.add_column(rank, justify="right")
    for part in ("server", "Redis", "Envoy"):
        table.add_column(f"{part}\nµs", justify="right")
    for before, row in zip([None, *rows], rows, strict=False):
        if before and before.in_flight != row.in_flight:
            table.add_section()
        table.add_row(row.title, *_cells(row))
    return table


def _cells(row: Row) -> Iterator[str]:
    median, latency = row.median, row.latency
    yield str(row.in_flight)
    yield f"{median.per_second:,.0f}"
    yield f"{row.per_second_max / row.per_second_min:.2f}" if row.per_second_min else _NOTHING
    yield f"{median.failed_share:.1%}" if median.failed_share else _NOTHING
    for waited in (latency.p50, latency.p99, latency.p99_9) if latency else (None,) * 3:
        yield wait(waited)
    for cost in (median.server_us, median.redis_us, median.envoy_us):
        yield _NOTHING if cost is None else f"{cost:,.1f}"


def wait(micros: float | None) -> str:
    """Three digits and a unit."""
    if micros is None:
        return _NOTHING
    if micros < _MILLI:
        return f"{micros:.0f} µs"
    return f"{micros / _MILLI:.3g} ms"


def _figures(measured: Measured) -> Table:
    table = _table(f"Figures; the gate is {measured.shipped}")
    table.add_column("figure")
    table.add_column("value", justify="right")
    table.add_column("left out because")
    for name, value in figures(measured).items():
        table.add_row(name, f"{value:,.2f}", "")
    for name, reason in left_out(measured).items():
        table.add_row(name, _NOTHING, reason)
    return table


def _table(title: str) -> Table:
    return Table(
        title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, padding=(0, 1)
    )
