"""What h2load prints, understood."""

from __future__ import annotations

import pytest

from bench.h2load import h2load, read_report, read_waits
from tollkeeper.runtime.errors import OperatorError

REPORT = """\
starting benchmark...
finished in {took}, 218112.00 req/s, 14.80MB/s
requests: {done} total, 218240 started, {done} done, 218000 succeeded, 112 failed, 0 errored
status codes: {ok} 2xx, 0 3xx, 0 4xx, 112 5xx
traffic: 14.80MB (15515634) total
"""


@pytest.mark.parametrize(
    ("took", "seconds"), [("1.50s", 1.5), ("400.25ms", 0.40025), ("1.25m", 75.0), ("90us", 9e-5)]
)
def test_duration_is_read_in_any_unit(took: str, seconds: float) -> None:
    load = read_report(REPORT.format(took=took, done=218112, ok=218000))
    assert (load.answered, load.succeeded) == (218112, 218000)
    assert load.seconds == pytest.approx(seconds)


@pytest.mark.parametrize(
    "report",
    [
        REPORT.format(took="1s", done=0, ok=0),
        "could not connect to host",
        "",
    ],
)
def test_no_answers_are_trouble(report: str) -> None:
    with pytest.raises(OperatorError, match="h2load got no answer"):
        read_report(report)


def test_waits_of_the_settling_first_fifth_and_of_failures_do_not_count() -> None:
    log = b"0\t200\t900\n19\t200\t800\n20\t200\t5\n50\t503\t1\n60\t-1\t2\n100\t200\t7\n"
    assert read_waits(log) == [5, 7]


def test_empty_log_has_no_waits() -> None:
    assert read_waits(b"") == []


def test_missing_program_is_named_with_the_command_that_installs_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(OperatorError, match="apt-get install nghttp2-client"):
        h2load()
