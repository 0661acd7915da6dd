"""The gateway: one Envoy in front of the API, configured from typed messages."""

import warnings

from pydantic.warnings import PydanticDeprecatedSince212

with warnings.catch_warnings():
    # envoy-data-plane 2.2 declares its oneofs in a way that pydantic 2.12 warns about, once per
    # message. Whoever turns warnings into errors could not import it.
    warnings.simplefilter("ignore", PydanticDeprecatedSince212)
    from tollkeeper.stack.gateway.gateway import Gateway
    from tollkeeper.stack.gateway.rendering import render

__all__ = ["Gateway", "render"]
