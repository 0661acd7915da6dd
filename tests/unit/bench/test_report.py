"""What a run leaves behind for programs and for people."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import orjson
import pytest
from rich.console import Console

from bench.figures import figures
from bench.latency import Latency
from bench.picture import picture
from bench.plan import QUICK
from bench.report import Report
from bench.table import tables, wait
from tests.unit.bench.rows import measured, row

if TYPE_CHECKING:
    from pathlib import Path

REPORT = Report(
    plan=QUICK,
    begun=dt.datetime(2026, 11, 20, 12, tzinfo=dt.UTC),
    seconds=40.1234567,
    machine={
        "cpu": "Fast & <small>",
        "cores": 2,
        "python": "3.11",
        "redis_server": "7",
        "envoy": "1.40",
    },
    measured=measured(
        [
            row("wire_full", 32, 40_000.123456, latency=Latency(400, 1_000, 2_000)),
            row("wire_full", 128, 50_000, server_us=11.0),
        ],
        [row("none", 32, 10_000), row("wire_full", 32, 7_000)],
    ),
)


def test_figures_stand_first_under_their_names(tmp_path: Path) -> None:
    written = orjson.loads(REPORT.write(tmp_path).read_bytes())
    assert (tmp_path / "quick.json").exists()
    names = list(figures(REPORT.measured))
    assert list(written)[: len(names)] == names
    assert written["worker_us_per_check"] == 11


def test_result_says_where_and_how_it_was_made(tmp_path: Path) -> None:
    written = orjson.loads(REPORT.write(tmp_path).read_bytes())
    assert written["machine"]["cores"] == 2
    assert written["cores"] == {"workers": [0], "redis": 1, "load": [1]}
    assert written["seconds"] == 40.123
    assert written["direct"][0]["median"]["per_second"] == 40_000.123


def test_picture_is_well_formed_whatever_the_machine_is_called() -> None:
    root = ET.fromstring(picture(REPORT))  # noqa: S314 - it is ours
    bars = [part for part in root.iter() if part.tag.endswith("rect")]
    # The ground, one rate, two through Envoy, three waits.
    assert len(bars) == 1 + 1 + 2 + 3


def test_tables_name_every_figure_measured_or_not() -> None:
    console = Console(width=120)
    with console.capture() as capture:
        for table in tables(REPORT):
            console.print(table)
    for name in ("worker_us_per_check", "memory_growth_mb", "40,000", "needs 4 cores"):
        assert name in capture.get()


@pytest.mark.parametrize(
    ("micros", "text"),
    [(None, "-"), (0.6, "1 µs"), (999, "999 µs"), (1_000, "1 ms"), (20_640, "20.6 ms")],
)
def test_wait(micros: float | None, text: str) -> None:
    assert wait(micros) == text
