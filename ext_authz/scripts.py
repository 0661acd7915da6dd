"""The Lua scripts, by name."""

from __future__ import annotations

from importlib.resources import files

_FOLDER = files("ext_authz") / "lua"


def source(name: str) -> str:
    """The text of `lua/<name>.lua`."""
    return (_FOLDER / f"{name}.lua").read_text()
