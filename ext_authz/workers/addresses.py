"""Where each of several workers listens."""

from __future__ import annotations

from pathlib import Path

from tollkeeper.runtime.settings import split_address, unix_path


def worker_listen(listen: str, worker: int) -> str:
    """The port of `HOST:PORT` plus `worker`; `unix:/path/gate-1.sock` for `unix:/path/gate.sock`.

    So each is an endpoint of its own: Envoy opens one connection per thread and endpoint.
    """
    path = unix_path(listen)
    if path is None:
        host = listen.rpartition(":")[0]
        return f"{host}:{split_address(listen)[1] + worker}"
    file = Path(path)
    return f"unix:{file.with_name(f'{file.stem}-{worker}{file.suffix}')}"
