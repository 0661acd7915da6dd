"""What can be refused without Redis is refused without Redis."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ext_authz.decision import Denied, Reason
from tollkeeper.credential import Credential, parse

if TYPE_CHECKING:
    from ext_authz.call import Call

# Twice the longest URL that browsers and proxies carry without complaint.
_PATH_LENGTH_MAX = 16_384
# The API may read these differently from the rule that let them pass. Envoy normalises or refuses
# them before it asks; other gateways may not.
_AMBIGUOUS = ("//", "%2f", "%5c", "%00", "\\", "\x00", "#")
_DOT_SEGMENTS = frozenset({".", "..", "%2e", "%2e%2e", ".%2e", "%2e."})


def screen(call: Call, decision_id: str) -> Credential | Denied:
    """The one well-formed credential, or the refusal."""
    if not call.credentials:
        return Denied(decision_id, Reason.CREDENTIAL_MISSING)
    credential = _credential(call)
    if credential is None:
        return Denied(decision_id, Reason.CREDENTIAL_MALFORMED)
    if _is_ambiguous(call.path):
        return Denied(decision_id, Reason.PATH_MALFORMED)
    return credential


def _credential(call: Call) -> Credential | None:
    # Of two credentials, whose call would it be? The API behind might take the other one.
    if len(call.credentials) != 1 or not call.credentials[0].isascii():
        return None
    return parse(call.credentials[0].decode("ascii"))


def _is_ambiguous(path: str) -> bool:
    if len(path) > _PATH_LENGTH_MAX or "\x00" in path or "#" in path:
        return True
    plain = path.partition("?")[0].lower()
    return any(sign in plain for sign in _AMBIGUOUS) or not _DOT_SEGMENTS.isdisjoint(
        plain.split("/")
    )
