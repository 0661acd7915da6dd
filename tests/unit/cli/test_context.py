from __future__ import annotations

from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from tollkeeper.cli.context import (
    CommandLine,
    DirOption,
    JsonOption,
    TenantArgument,
    command_line,
    gateway_url,
    ledger_address,
    stack_dir,
)
from tollkeeper.runtime.errors import OperatorError

_ENDPOINTS = '{"ledger": "127.0.0.1:18020", "gateway": "http://127.0.0.1:18000"}'


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    monkeypatch.delenv("TOLLKEEPER_DIR", raising=False)
    monkeypatch.delenv("TOLLKEEPER_LEDGER_ADDRESS", raising=False)
    return monkeypatch


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["show", "acme"], CommandLine()),
        (["show", "acme", "--json"], CommandLine(json=True)),
        (["--json", "show", "acme"], CommandLine(json=True)),
        (["show", "acme", "--dir", "here"], CommandLine(Path("here"))),
        (["--dir", "there", "show", "acme"], CommandLine(Path("there"))),
        (["--dir", "there", "show", "--dir", "here", "acme"], CommandLine(Path("here"))),
    ],
)
def test_options_stand_before_or_after_the_subcommand(
    arguments: list[str], expected: CommandLine
) -> None:
    assert parsed(arguments) == expected


def test_an_argument_that_is_no_utf8_is_refused() -> None:
    with pytest.raises(OperatorError, match="tenant: is not valid UTF-8"):
        parsed(["show", "\udcff"])


def test_the_directory_is_the_option_else_the_variable_else_the_default(
    environment: pytest.MonkeyPatch,
) -> None:
    assert stack_dir(CommandLine()) == Path(".tollkeeper")
    environment.setenv("TOLLKEEPER_DIR", "/elsewhere")
    assert stack_dir(CommandLine()) == Path("/elsewhere")
    assert stack_dir(CommandLine(Path("here"))) == Path("here")


def test_the_ledger_is_where_the_stack_wrote_it_down(tmp_path: Path) -> None:
    (tmp_path / "endpoints.json").write_text(_ENDPOINTS)

    assert ledger_address(CommandLine(tmp_path)) == "127.0.0.1:18020"


def test_the_variable_wins_over_the_stack(tmp_path: Path, environment: pytest.MonkeyPatch) -> None:
    (tmp_path / "endpoints.json").write_text(_ENDPOINTS)
    environment.setenv("TOLLKEEPER_LEDGER_ADDRESS", "ledger.internal:443")

    assert ledger_address(CommandLine(tmp_path)) == "ledger.internal:443"


def test_a_variable_that_is_no_address_is_named(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("TOLLKEEPER_LEDGER_ADDRESS", "nonsense")

    with pytest.raises(OperatorError, match="TOLLKEEPER_LEDGER_ADDRESS: must be HOST:PORT"):
        ledger_address(CommandLine())


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("", "no valid JSON"),
        ("{", "no valid JSON"),
        ("[]", "must be a JSON object"),
        ("{}", "field `ledger`: must be HOST:PORT"),
        ('{"ledger": 18020}', "field `ledger`: must be HOST:PORT"),
        ('{"ledger": "127.0.0.1"}', "field `ledger`: must be HOST:PORT"),
    ],
)
def test_malformed_endpoints_are_refused_by_name(
    tmp_path: Path, content: str, complaint: str
) -> None:
    (tmp_path / "endpoints.json").write_text(content)

    with pytest.raises(OperatorError, match=complaint) as raised:
        ledger_address(CommandLine(tmp_path))
    assert str(tmp_path) in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_directory_without_a_stack_says_how_to_get_one(tmp_path: Path) -> None:
    with pytest.raises(OperatorError, match=r"no stack in .*: start one with `tollkeeper up`"):
        ledger_address(CommandLine(tmp_path / "empty"))


def test_the_gateway_is_only_that_of_the_same_stack(tmp_path: Path) -> None:
    line = CommandLine(tmp_path)
    assert gateway_url(line, "127.0.0.1:18020") is None

    (tmp_path / "endpoints.json").write_text(_ENDPOINTS)
    assert gateway_url(line, "127.0.0.1:18020") == "http://127.0.0.1:18000"
    assert gateway_url(line, "ledger.internal:443") is None


def parsed(arguments: list[str]) -> CommandLine:
    """What a command learns when the root is built as the module's documentation says."""
    app = typer.Typer()
    seen: list[CommandLine] = []

    @app.callback()
    def root(
        ctx: typer.Context, *, directory: DirOption = None, as_json: JsonOption = False
    ) -> None:
        ctx.obj = CommandLine(directory, as_json)

    @app.command()
    def show(
        ctx: typer.Context,
        tenant: TenantArgument,  # noqa: ARG001 - reaches the command through its context
        *,
        directory: DirOption = None,
        as_json: JsonOption = False,
    ) -> None:
        seen.append(command_line(ctx, directory, as_json=as_json))

    CliRunner().invoke(app, arguments, catch_exceptions=False)
    return seen[0]
