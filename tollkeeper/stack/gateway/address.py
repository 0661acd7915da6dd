"""`IP:PORT` as Envoy wants it."""

from __future__ import annotations

from ipaddress import ip_address

from envoy_data_plane.envoy.config.core import v3 as core
from pydantic import TypeAdapter, ValidationError

from tollkeeper.runtime.settings import Address, split_address

_ADDRESS = TypeAdapter(Address)


def address_fault(address: str) -> str | None:
    """What is wrong with the address, or None."""
    try:
        _ADDRESS.validate_python(address)
    except ValidationError as error:
        return error.errors()[0]["msg"].removeprefix("Value error, ")
    try:
        ip_address(split_address(address)[0])
    except ValueError:
        return "must begin with an IP address: Envoy's static clusters resolve no names"
    return None


def is_loopback(address: str) -> bool:
    return ip_address(split_address(address)[0]).is_loopback


def socket_address(address: str) -> core.Address:
    host, port = split_address(address)
    return core.Address(socket_address=core.SocketAddress(address=host, port_value=port))
