"""What the webhooks process can be told."""

from __future__ import annotations

from pydantic import Field

from tollkeeper.runtime.settings import Address, Settings


class WebhooksSettings(Settings):
    webhooks_listen: Address = Field(
        default="127.0.0.1:18030", description="HTTP: /healthz, /readyz, /metrics"
    )
    postgres_url: str = Field(
        min_length=1, repr=False, description="postgresql://USER:PASSWORD@HOST:PORT/DATABASE"
    )
