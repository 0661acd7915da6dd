"""YAML that remembers its lines, so that a fault can be shown where it is."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import yaml

Path = tuple[str, ...]


@dataclass(frozen=True, order=True)
class Fault:
    line: int
    path: str
    """Dotted; empty for the file as a whole."""
    what: str


@dataclass
class LinedYaml:
    value: Any = None
    lines: dict[Path, int] = field(default_factory=dict)
    """Where each key and item stands, from 1."""
    faults: list[Fault] = field(default_factory=list)

    def line_of(self, path: Path) -> int:
        """Where `path` stands, or what it would belong to when it is missing."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)


def read_lined_yaml(text: str) -> LinedYaml:
    """The content of `text`; duplicate keys, odd keys and bad syntax are among its faults."""
    lined = LinedYaml()
    try:
        loader = yaml.SafeLoader(text)
        node = loader.get_single_node()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        what = f"is not YAML: {error.problem or error.context}"
        lined.faults.append(Fault(mark.line + 1 if mark else 1, "", what))
    except yaml.YAMLError as error:
        lined.faults.append(Fault(1, "", f"is not YAML: {' '.join(str(error).split())}"))
    else:
        if node is not None:
            lined.value = _Reader(loader, lined).value(node, ())
    return lined


class _Reader:
    def __init__(self, loader: yaml.SafeLoader, lined: LinedYaml) -> None:
        self._loader = loader
        self._lined = lined
        self._open: set[int] = set()

    def value(self, node: yaml.Node, path: Path) -> Any:
        self._lined.lines.setdefault(path, node.start_mark.line + 1)
        if id(node) in self._open:
            return self._fault(node, path, "contains itself")
        self._open.add(id(node))
        try:
            if isinstance(node, yaml.MappingNode):
                return self._mapping(node, path)
            if isinstance(node, yaml.SequenceNode):
                return [
                    self.value(item, (*path, str(index))) for index, item in enumerate(node.value)
                ]
            return self._scalar(node, path)
        finally:
            self._open.discard(id(node))

    def _mapping(self, node: yaml.MappingNode, path: Path) -> dict[str, Any]:
        content: dict[str, Any] = {}
        for key_node, value_node in node.value:
            if key_node.tag != "tag:yaml.org,2002:str":
                self._fault(key_node, path, "has a key that is not text")
                continue
            key = key_node.value
            if key in content:
                first = self._lined.lines[*path, key]
                self._fault(key_node, (*path, key), f"is given twice, first in line {first}")
                continue
            self._lined.lines[*path, key] = key_node.start_mark.line + 1
            content[key] = self.value(value_node, (*path, key))
        return content

    def _scalar(self, node: yaml.Node, path: Path) -> Any:
        try:
            return self._loader.construct_object(node, deep=True)
        except (yaml.YAMLError, ValueError):
            return self._fault(node, path, f"{node.value!r} is not a value we understand")

    def _fault(self, node: yaml.Node, path: Path, what: str) -> None:
        self._lined.faults.append(Fault(node.start_mark.line + 1, ".".join(path), what))
