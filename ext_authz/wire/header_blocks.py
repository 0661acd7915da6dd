"""Header blocks of one connection: decoded once, then looked up.

With `SETTINGS_HEADER_TABLE_SIZE` 0 the peer keeps no table, so the same headers are the same
bytes, and a block means the same on every connection. Until the peer has followed that setting,
and in a block that changes it, the table must be kept: then every block is decoded.
"""

from __future__ import annotations

from hpack import Decoder, HPACKError

from ext_authz.wire.head import Head, MalformedHeadError, read_head
from ext_authz.wire.limits import HEADER_BLOCKS_MAX, HEADER_LIST_BYTES_MAX

_SIZE_UPDATE_MASK, _SIZE_UPDATE = 0xE0, 0x20

# Shared by all connections of the process. Malformed heads are remembered too: as None.
_known: dict[bytes, Head | None] = {}


class HeaderBlocks:
    def __init__(self) -> None:
        self._decoder = Decoder(max_header_list_size=HEADER_LIST_BYTES_MAX)

    def head(self, block: bytes) -> Head | None:
        """The request's head, or None when it is malformed.

        Raises HPACKError when the block cannot be decoded, which ends the connection.
        """
        if self._decoder.header_table_size == 0:
            try:
                return _known[block]
            except KeyError:
                pass
        head = _understand(self.fields(block))
        if self._decoder.header_table_size == 0 and not _changes_table(block):
            if len(_known) >= HEADER_BLOCKS_MAX:
                _known.clear()
            _known[block] = head
        return head

    def fields(self, block: bytes) -> list[tuple[bytes, bytes]]:
        """Decode a block. Raises HPACKError."""
        try:
            return [(name, value) for name, value in self._decoder.decode(block, raw=True)]
        except (IndexError, ValueError) as error:
            # The library lets some truncated blocks through to its own arithmetic.
            raise HPACKError(str(error)) from error


def _understand(fields: list[tuple[bytes, bytes]]) -> Head | None:
    try:
        return read_head(fields)
    except MalformedHeadError:
        return None


def _changes_table(block: bytes) -> bool:
    return bool(block) and block[0] & _SIZE_UPDATE_MASK == _SIZE_UPDATE
