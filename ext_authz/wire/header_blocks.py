"""Header blocks of one connection: decoded once, then looked up.

With `SETTINGS_HEADER_TABLE_SIZE` 0 the peer keeps no table, so the same headers are the same
bytes, and a block means the same on every connection. Until the peer has followed that setting,
and in a block that changes it, the table must be kept: then every block is decoded.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hpack import Decoder, HPACKError, OversizedHeaderListError

from ext_authz.wire import limits
from ext_authz.wire.head import TOO_LARGE, Head, MalformedHeadError, read_head

if TYPE_CHECKING:
    from collections.abc import Callable

# 64 KB of the shortest fields there are take as long as this many frames.
_OVERSIZED_CHARGE = 500
_SIZE_UPDATE_MASK, _SIZE_UPDATE = 0xE0, 0x20

# Shared by all connections of the process. Malformed heads are remembered too: as None.
_known: dict[bytes, Head | None] = {}


class HeaderBlocks:
    def __init__(self, charge: Callable[[int], None]) -> None:
        """`charge` hears of each block that is decoded, and how dear it is: ordinary ones 0."""
        self._charge = charge
        self._decoder = Decoder(max_header_list_size=limits.HEADER_LIST_BYTES_MAX)

    def head(self, block: bytes) -> Head | None:
        """The request's head, or None when it is malformed.

        Raises HPACKError when the block cannot be decoded, which ends the connection.
        """
        if self._decoder.header_table_size == 0:
            try:
                return _known[block]
            except KeyError:
                pass
        try:
            fields = self.fields(block)
        except OversizedHeaderListError:
            # With a table to keep up with, nothing after this block can be understood.
            if self._decoder.header_table_size or _changes_table(block):
                raise
            self._charge(_OVERSIZED_CHARGE)
            return TOO_LARGE
        head = _understand(fields)
        if (
            self._decoder.header_table_size == 0
            and len(block) <= limits.REMEMBERED_BLOCK_BYTES_MAX
            and not _changes_table(block)
        ):
            if len(_known) >= limits.HEADER_BLOCKS_MAX:
                _known.clear()
            _known[block] = head
        return head

    def fields(self, block: bytes) -> list[tuple[bytes, bytes]]:
        """Decode a block. Raises HPACKError."""
        self._charge(max(0, len(block) - limits.HEADER_BYTES_FREE) // 128)
        try:
            fields = [(name, value) for name, value in self._decoder.decode(block, raw=True)]
        except (IndexError, ValueError) as error:
            # The library lets some truncated blocks through to its own arithmetic.
            raise HPACKError(str(error)) from error
        if len(fields) > limits.HEADER_FIELDS_FREE:
            self._charge((len(fields) - limits.HEADER_FIELDS_FREE) // 2)
        return fields


def _understand(fields: list[tuple[bytes, bytes]]) -> Head | None:
    try:
        return read_head(fields)
    except MalformedHeadError:
        return None


def _changes_table(block: bytes) -> bool:
    return bool(block) and block[0] & _SIZE_UPDATE_MASK == _SIZE_UPDATE
