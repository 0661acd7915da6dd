"""What of an Envoy differs from place to place; all else is the same everywhere."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tollkeeper.runtime.errors import OperatorError
from tollkeeper.stack.gateway.address import address_fault, is_loopback

if TYPE_CHECKING:
    from collections.abc import Iterator

# "None is well" is written as "below one per cent" (health.py): past this many workers, that
# would be true with one of them well.
_WORKERS_MAX = 100


@dataclass(frozen=True)
class Gateway:
    """Addresses are `IP:PORT`, a worker's also `unix:/PATH`; the defaults are those of `up`.

    Raises OperatorError that names every fault at once.
    """

    listen: str = "127.0.0.1:18000"
    admin: str = "127.0.0.1:18001"
    ext_authz: tuple[str, ...] = ("127.0.0.1:18010",)
    courier: str = "127.0.0.1:18070"
    api: str = "127.0.0.1:18040"
    xff_num_trusted_hops: int = 0
    """How many proxies of ours stand between the caller and this Envoy."""

    def __post_init__(self) -> None:
        faults = list(self._faults())
        if faults:
            raise OperatorError(f"gateway: {'; '.join(faults)}")

    def _faults(self) -> Iterator[str]:
        addresses = [
            ("listen", self.listen),
            ("admin", self.admin),
            *(("ext-authz", worker) for worker in self.ext_authz),
            ("courier", self.courier),
            ("api", self.api),
        ]
        for name, address in addresses:
            fault = address_fault(address, unix=name == "ext-authz")
            if fault:
                yield f"{name} {address!r} {fault}"
        if not address_fault(self.admin) and not is_loopback(self.admin):
            yield f"admin {self.admin!r} must be a loopback address: whoever reaches it owns Envoy"
        if not 0 < len(self.ext_authz) <= _WORKERS_MAX:
            yield f"ext-authz needs 1 to {_WORKERS_MAX} workers, not {len(self.ext_authz)}"
        if len(set(self.ext_authz)) < len(self.ext_authz):
            yield "ext-authz names the same worker twice"
        if self.xff_num_trusted_hops < 0:
            yield f"xff-num-trusted-hops cannot be {self.xff_num_trusted_hops}"
