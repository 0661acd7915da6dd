"""Which parts make a stack, in which order, and where they are to be found."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

from tollkeeper.stack.child import Child
from tollkeeper.stack.demo import DemoTenant, seed_demo
from tollkeeper.stack.directory import write_private
from tollkeeper.stack.envoy_server import EnvoyServer
from tollkeeper.stack.gateway import Gateway, render
from tollkeeper.stack.logged_command import run_logged
from tollkeeper.stack.part import Part
from tollkeeper.stack.passwords import keep_passwords
from tollkeeper.stack.ports import worker_name
from tollkeeper.stack.postgres_server import PostgresServer, postgres_answers
from tollkeeper.stack.redis_server import RedisServer, redis_answers
from tollkeeper.stack.services import Services
from tollkeeper.stack.task import Task
from tollkeeper.stack.yours import yours

if TYPE_CHECKING:
    from tollkeeper.stack.options import UpOptions

_DATABASE = "tollkeeper"


@dataclass(frozen=True)
class Assembly:
    options: UpOptions
    postgres: PostgresServer
    redis: RedisServer
    services: Services
    # By plan; known once the stages have been started.
    tenants: dict[str, DemoTenant] = field(default_factory=dict)

    @classmethod
    def of(cls, options: UpOptions) -> Self:
        """Raises OperatorError when the passwords of an existing database are lost."""
        directory, ports = options.directory, options.ports
        passwords = keep_passwords(directory)
        postgres = PostgresServer(
            directory.postgres,
            ports.by_part["postgres"][0],
            passwords.postgres,
            directory.log("postgres"),
        )
        redis = RedisServer(directory.redis, ports.by_part["redis"][0], passwords.redis)
        services = Services(
            ports,
            redis_url=options.redis_url or redis.url,
            postgres_url=options.postgres_url or postgres.url(_DATABASE),
        )
        return cls(options, postgres, redis, services)

    def stages(self) -> list[list[Child | Task]]:
        parts: list[list[Part | Task]] = [
            [
                self._postgres(),
                self._redis(),
                self.services.sample_api(),
                Task("envoy.yaml", "", self._render),
            ],
            [Task("migrate", "", self._migrate)],
            [self.services.ledger(), self.services.webhooks()],
            # Before the courier, whose first snapshot then holds them: once it is ready, the gate
            # knows the demo keys.
            [Task("demo tenants", "", self._seed)],
            [self.services.courier(), *map(self.services.ext_authz, self._workers)],
            [self._envoy().part()],
        ]
        return [
            [
                Child(part, self.options.directory, order) if isinstance(part, Part) else part
                for part in stage
            ]
            for order, stage in enumerate(parts)
        ]

    def endpoints(self) -> dict[str, object]:
        """What `<dir>/endpoints.json` holds."""
        ports = self.options.ports
        return {
            "gateway": f"http://{ports.address('envoy')}",
            "envoy_admin": f"http://{ports.probes('envoy')}",
            "ext_authz": [ports.address(worker) for worker in self._workers],
            "ledger": ports.address("ledger"),
            "webhooks": f"http://{ports.address('webhooks')}",
            "courier": ports.address("courier"),
            "sample_api": f"http://{ports.address('sample_api')}",
            "redis": self.services.redis_url,
            "postgres": self.services.postgres_url,
            "metrics": {
                part: f"http://{ports.probes(part)}/metrics"
                for part in (*self._workers, "courier", "ledger", "webhooks")
            },
            "tenants": {
                plan: {"id": tenant.id, "key": tenant.key} for plan, tenant in self.tenants.items()
            },
        }

    @property
    def _workers(self) -> list[str]:
        return [worker_name(worker) for worker in range(self.options.workers)]

    def _postgres(self) -> Part | Task:
        if url := self.options.postgres_url:
            return yours("postgres", url, postgres_answers)
        return self.postgres.part()

    def _redis(self) -> Part | Task:
        if url := self.options.redis_url:
            return yours("redis", url, redis_answers)
        return self.redis.part()

    def _envoy(self) -> EnvoyServer:
        ports = self.options.ports
        return EnvoyServer(
            self.options.directory.envoy_configuration,
            listen=ports.address("envoy"),
            admin=ports.probes("envoy"),
        )

    async def _render(self) -> None:
        ports = self.options.ports
        gateway = Gateway(
            listen=ports.address("envoy"),
            admin=ports.probes("envoy"),
            ext_authz=tuple(ports.address(worker) for worker in self._workers),
            courier=ports.address("courier"),
            api=ports.address("sample_api"),
        )
        # A second of pure computing, beside which PostgreSQL starts.
        text = await asyncio.to_thread(render, gateway)
        write_private(self.options.directory.envoy_configuration, text.encode())

    async def _migrate(self) -> None:
        if not self.options.postgres_url:
            await self.postgres.create_database(_DATABASE)
        await run_logged(
            "migrate",
            self.services.migrate_command,
            self.options.directory.log("migrate"),
            self.services.migrate_environment,
        )

    async def _seed(self) -> None:
        address = self.options.ports.address("ledger")
        self.tenants.update(await seed_demo(address, self.options.directory.demo))
