"""`tollkeeper envoy`: the gateway's configuration."""

from __future__ import annotations

import sys
from pathlib import Path  # noqa: TC003 - typer reads the annotation when it runs
from typing import Annotated

import typer

from tollkeeper.runtime.errors import OperatorError
from tollkeeper.stack.gateway import Gateway, render

app = typer.Typer(help="Envoy's configuration.", no_args_is_help=True, add_completion=False)

_DEFAULT = Gateway()


@app.callback()
def _group() -> None:
    """Keep `render` a command of its own while it is the only one."""


@app.command("render")
def render_command(
    *,
    out: Annotated[
        Path | None, typer.Option(help="Write envoy.yaml into this folder.", show_default="print")
    ] = None,
    listen: Annotated[str, typer.Option(help="Where callers connect.")] = _DEFAULT.listen,
    admin: Annotated[str, typer.Option(help="Envoy's admin, on loopback.")] = _DEFAULT.admin,
    ext_authz: Annotated[
        list[str] | None,
        typer.Option(
            help="A worker, or unix:/PATH; once per worker.", show_default=_DEFAULT.ext_authz[0]
        ),
    ] = None,
    courier: Annotated[str, typer.Option(help="Where access log entries go.")] = _DEFAULT.courier,
    api: Annotated[str, typer.Option(help="The API that is sold.")] = _DEFAULT.api,
    xff_num_trusted_hops: Annotated[
        int, typer.Option(help="How many proxies of yours stand before Envoy.")
    ] = _DEFAULT.xff_num_trusted_hops,
) -> None:
    """Render Envoy's configuration; every address is IP:PORT, of a worker also unix:/PATH."""
    text = render(
        Gateway(
            listen=listen,
            admin=admin,
            ext_authz=tuple(ext_authz) if ext_authz else _DEFAULT.ext_authz,
            courier=courier,
            api=api,
            xff_num_trusted_hops=xff_num_trusted_hops,
        )
    )
    if out is None:
        sys.stdout.write(text)
    else:
        _write(out / "envoy.yaml", text)


def _write(file: Path, text: str) -> None:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    except OSError as error:
        raise OperatorError(f"cannot write {file}: {error.strerror}") from error
    typer.echo(f"wrote {file}", err=True)
