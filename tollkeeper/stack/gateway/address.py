"""`IP:PORT` and `unix:/PATH` as Envoy wants them."""

from __future__ import annotations

from ipaddress import ip_address

from envoy_data_plane.envoy.config.core import v3 as core
from pydantic import TypeAdapter, ValidationError

from tollkeeper.runtime.settings import Address, SocketAddress, split_address, unix_path

_ADDRESS = TypeAdapter(Address)
_SOCKET_ADDRESS = TypeAdapter(SocketAddress)


def address_fault(address: str, *, unix: bool = False) -> str | None:
    """What is wrong with the address, or None; a Unix socket is right only with `unix`."""
    try:
        (_SOCKET_ADDRESS if unix else _ADDRESS).validate_python(address)
    except ValidationError as error:
        return error.errors()[0]["msg"].removeprefix("Value error, ")
    if unix_path(address) is not None:
        return None
    try:
        ip_address(split_address(address)[0])
    except ValueError:
        return "must begin with an IP address: Envoy's static clusters resolve no names"
    return None


def is_loopback(address: str) -> bool:
    return ip_address(split_address(address)[0]).is_loopback


def socket_address(address: str) -> core.Address:
    path = unix_path(address)
    if path is not None:
        return core.Address(pipe=core.Pipe(path=path))
    host, port = split_address(address)
    return core.Address(socket_address=core.SocketAddress(address=host, port_value=port))
