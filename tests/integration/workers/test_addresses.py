"""Where workers listen, and that Envoy takes it."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
import yaml

from ext_authz.settings import ExtAuthzSettings
from ext_authz.workers.addresses import worker_listen
from tollkeeper.runtime.errors import OperatorError
from tollkeeper.stack.binaries import find_envoy
from tollkeeper.stack.gateway import Gateway, render

if TYPE_CHECKING:
    from pathlib import Path

SOCKETS = ("unix:/run/tk/gate-0.sock", "unix:/run/tk/gate-1.sock")


@pytest.mark.parametrize(
    ("listen", "worker", "expected"),
    [
        ("127.0.0.1:18010", 0, "127.0.0.1:18010"),
        ("127.0.0.1:18010", 3, "127.0.0.1:18013"),
        ("[::1]:18010", 1, "[::1]:18011"),
        ("unix:/run/tk/gate.sock", 0, "unix:/run/tk/gate-0.sock"),
        ("unix:/run/tk.d/gate", 2, "unix:/run/tk.d/gate-2"),
    ],
)
def test_each_worker_has_an_address_of_its_own(listen: str, worker: int, expected: str) -> None:
    assert worker_listen(listen, worker) == expected


@pytest.mark.parametrize(
    ("name", "value", "line"),
    [
        ("WORKERS", "0", "TOLLKEEPER_WORKERS: Input should be greater than or equal to 1"),
        ("WORKERS", "101", "TOLLKEEPER_WORKERS: Input should be less than or equal to 100"),
        ("EXT_AUTHZ_LISTEN", "127.0.0.1:65530", "the last of 9 cannot listen on 127.0.0.1:65538"),
        ("EXT_AUTHZ_LISTEN", f"unix:/{'a' * 106}", "TOLLKEEPER_WORKERS: the last of 9 cannot"),
        ("EXT_AUTHZ_LISTEN", f"unix:/{'a' * 107}", "at most 107 bytes"),
        ("EXT_AUTHZ_LISTEN", "unix:gate.sock", "must be HOST:PORT or unix:/PATH"),
        ("EXT_AUTHZ_LISTEN", "unix:/run/", "must be HOST:PORT or unix:/PATH"),
    ],
)
def test_an_address_that_cannot_be_is_refused(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, line: str
) -> None:
    monkeypatch.setenv("TOLLKEEPER_WORKERS", "9")
    monkeypatch.setenv(f"TOLLKEEPER_{name}", value)
    with pytest.raises(OperatorError) as caught:
        ExtAuthzSettings.read()
    assert line in str(caught.value)


def test_the_command_line_goes_before_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOLLKEEPER_WORKERS", "9")
    assert ExtAuthzSettings.read().workers == 9
    assert ExtAuthzSettings.read(workers=2).workers == 2


def test_a_worker_has_the_settings_of_its_parent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOLLKEEPER_DRAIN_NOTICE_SECONDS", "0.25")
    given = ExtAuthzSettings.read(transport="grpcio", legacy_rate_limit_headers=True)
    for name, value in given.environment().items():
        monkeypatch.setenv(name, value)
    assert ExtAuthzSettings.read() == given


def test_envoy_takes_unix_sockets_of_workers(tmp_path: Path) -> None:
    workers = [argument for socket in SOCKETS for argument in ("--ext-authz", socket)]
    command = [sys.executable, "-P", "-m", "tollkeeper", "envoy", "render", *workers]
    rendered = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    (cluster,) = [
        cluster
        for cluster in yaml.safe_load(rendered)["static_resources"]["clusters"]
        if cluster["name"] == "ext_authz"
    ]
    (locality,) = cluster["load_assignment"]["endpoints"]
    assert [each["endpoint"]["address"] for each in locality["lb_endpoints"]] == [
        {"pipe": {"path": socket.removeprefix("unix:")}} for socket in SOCKETS
    ]
    file = tmp_path / "envoy.yaml"
    file.write_text(rendered)
    validate = [str(find_envoy().path), "--mode", "validate", "--disable-hot-restart", "-c"]
    outcome = subprocess.run([*validate, str(file)], capture_output=True, text=True, check=False)
    assert outcome.returncode == 0, outcome.stderr


@pytest.mark.parametrize("part", ["listen", "admin", "courier", "api"])
def test_only_workers_are_reached_by_unix_sockets(part: str) -> None:
    with pytest.raises(OperatorError, match=f"{part} .* must be HOST:PORT"):
        Gateway(**{part: SOCKETS[0]})


def test_sockets_and_ports_may_be_mixed() -> None:
    assert SOCKETS[0].removeprefix("unix:") in render(
        Gateway(ext_authz=("127.0.0.1:18010", SOCKETS[0]))
    )
