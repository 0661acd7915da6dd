"""From typed messages to the YAML that Envoy reads."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import yaml

from tollkeeper.stack.gateway.bootstrap import bootstrap

if TYPE_CHECKING:
    from betterproto2 import Casing

    from tollkeeper.stack.gateway.gateway import Gateway

_HEADER = """\
# Rendered by `tollkeeper envoy render`; do not edit. README.md says why each value is what it is.
# A field that is not here has its default: `failure_mode_allow`, for one, is false.
"""


def render(gateway: Gateway) -> str:
    """The whole bootstrap as YAML; fields stand in the order of Envoy's own proto files."""
    config = bootstrap(gateway).to_dict(casing=cast("Casing", _as_in_the_proto_file))
    return _HEADER + yaml.safe_dump(config, sort_keys=False)


def _as_in_the_proto_file(field: str) -> str:
    # betterproto's own casings turn enforcing_consecutive_5xx into names that Envoy refuses.
    return field
