"""The filter that removes what only Tollkeeper may say."""

from __future__ import annotations

from envoy_data_plane.envoy.config.common.mutation_rules import v3 as mutation
from envoy_data_plane.envoy.extensions.filters.http.header_mutation import v3 as header_mutation
from envoy_data_plane.envoy.extensions.filters.network.http_connection_manager import v3 as hcm
from envoy_data_plane.envoy.type.matcher import v3 as matcher
from envoy_data_plane.google.protobuf import Any

IDENTITY_PREFIX = "x-tollkeeper-"


def client_headers() -> hcm.HttpFilter:
    """Removes every `x-tollkeeper-*` header and trailer that a caller sent."""
    forged = mutation.HeaderMutation(
        remove_on_match=mutation.HeaderMutationRemoveOnMatch(
            key_matcher=matcher.StringMatcher(prefix=IDENTITY_PREFIX, ignore_case=True)
        )
    )
    return hcm.HttpFilter(
        name="envoy.filters.http.header_mutation",
        typed_config=Any.pack(
            header_mutation.HeaderMutation(
                mutations=header_mutation.Mutations(
                    request_mutations=[forged],
                    # Some servers merge trailers into headers.
                    request_trailers_mutations=[forged],
                )
            )
        ),
    )
