from __future__ import annotations

from pathlib import Path

from tollkeeper.stack.gateway import Gateway, render

ENVOY_YAML = Path(__file__).resolve().parents[2] / "envoy" / "envoy.yaml"


def test_the_committed_configuration_is_what_the_messages_render() -> None:
    assert ENVOY_YAML.read_text() == render(Gateway()), "run `make render`"


def test_rendering_twice_gives_the_same_text() -> None:
    assert render(Gateway()) == render(Gateway())
