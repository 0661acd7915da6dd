"""Our own processes as parts of the stack: the usual commands, on the stack's ports."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from tollkeeper.stack.http_probe import answers_ok
from tollkeeper.stack.part import Part

if TYPE_CHECKING:
    from tollkeeper.stack.ports import Ports


@dataclass(frozen=True)
class Services:
    ports: Ports
    redis_url: str
    postgres_url: str

    @property
    def migrate_command(self) -> list[str]:
        return _tollkeeper("migrate")

    @property
    def migrate_environment(self) -> dict[str, str]:
        return {"TOLLKEEPER_POSTGRES_URL": self.postgres_url}

    def ledger(self) -> Part:
        return self._service(
            "ledger",
            "ledger",
            TOLLKEEPER_LEDGER_LISTEN=self.ports.address("ledger"),
            TOLLKEEPER_LEDGER_METRICS_LISTEN=self.ports.probes("ledger"),
            TOLLKEEPER_POSTGRES_URL=self.postgres_url,
        )

    def webhooks(self) -> Part:
        return self._service(
            "webhooks",
            "webhooks",
            TOLLKEEPER_WEBHOOKS_LISTEN=self.ports.address("webhooks"),
            TOLLKEEPER_POSTGRES_URL=self.postgres_url,
        )

    def courier(self) -> Part:
        return self._service(
            "courier",
            "courier",
            TOLLKEEPER_COURIER_LISTEN=self.ports.address("courier"),
            TOLLKEEPER_COURIER_METRICS_LISTEN=self.ports.probes("courier"),
            TOLLKEEPER_REDIS_URL=self.redis_url,
            TOLLKEEPER_LEDGER_ADDRESS=self.ports.address("ledger"),
        )

    def ext_authz(self, name: str) -> Part:
        """One worker: the stack itself is the parent, and restarts each."""
        return self._service(
            name,
            "ext-authz",
            TOLLKEEPER_WORKERS="1",
            TOLLKEEPER_EXT_AUTHZ_LISTEN=self.ports.address(name),
            TOLLKEEPER_EXT_AUTHZ_METRICS_LISTEN=self.ports.probes(name),
            TOLLKEEPER_REDIS_URL=self.redis_url,
        )

    def sample_api(self) -> Part:
        listen = self.ports.address("sample_api")
        return Part(
            name="sample_api",
            address=listen,
            command=[*_python("tollkeeper.stack.sample_api"), "--listen", listen],
            answers=partial(answers_ok, listen, "/status/200"),
        )

    def _service(self, name: str, command: str, **environment: str) -> Part:
        return Part(
            name=name,
            address=self.ports.address(name),
            command=_tollkeeper(command),
            answers=partial(answers_ok, self.ports.probes(name), "/readyz"),
            environment=environment,
        )


def _tollkeeper(command: str) -> list[str]:
    return [*_python("tollkeeper"), command]


def _python(module: str) -> list[str]:
    # -P: a folder `envoy` where somebody happens to stand must not hide the package.
    return [sys.executable, "-P", "-m", module]
