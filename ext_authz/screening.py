"""What can be refused without Redis is refused without Redis."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ext_authz.decision import Denied, Reason
from tollkeeper.credential import Credential, parse

if TYPE_CHECKING:
    from ext_authz.call import Call

# Twice the longest URL that browsers and proxies carry without complaint.
_PATH_LENGTH_MAX = 16_384
# The API may read these differently from the rule that let them pass. Envoy normalises or refuses
# them before it asks; other gateways may not. Dots count as segments of their own only.
_AMBIGUOUS = re.compile(r"//|\\|%2f|%5c|%00|(?:^|/)(?:\.|%2e){1,2}(?:/|$)", re.IGNORECASE)
_NOWHERE = re.compile(r"[\x00#]")
# Most paths have none of the signs that the two look for, query included.
_SUSPICIOUS = re.compile(r"[\x00#\\%.]|//")


def screen(call: Call, decision_id: str) -> Credential | Denied:
    """The one well-formed credential, or the refusal."""
    if not call.credentials:
        return Denied(decision_id, Reason.CREDENTIAL_MISSING)
    credential = _credential(call)
    if credential is None:
        return Denied(decision_id, Reason.CREDENTIAL_MALFORMED)
    if path_is_ambiguous(call.path):
        return Denied(decision_id, Reason.PATH_MALFORMED)
    return credential


def _credential(call: Call) -> Credential | None:
    # Of two credentials, whose call would it be? The API behind might take the other one.
    if len(call.credentials) != 1 or not call.credentials[0].isascii():
        return None
    return parse(call.credentials[0].decode("ascii"))


def path_is_ambiguous(path: str) -> bool:
    """Whether two readers may take the path for different ones."""
    if len(path) <= _PATH_LENGTH_MAX and _SUSPICIOUS.search(path) is None:
        return False
    return (
        len(path) > _PATH_LENGTH_MAX
        or _NOWHERE.search(path) is not None
        or _AMBIGUOUS.search(path.partition("?")[0]) is not None
    )
