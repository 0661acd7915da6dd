"""What one peer may ask of the server, and why not half or double."""

from __future__ import annotations

# Envoy has one connection per worker thread and as many checks in flight as it has requests; its
# own limit towards us is far above. At 2,000 a full answer buffer is some 2 MB per connection.
# Calls that were reset count until their handlers are done (CVE-2023-44487).
CONCURRENT_STREAMS_MAX = 2_000

# A CheckRequest is 60 KB of headers at the most, as Envoy's own limit has it, plus a little. A
# route that sends bodies along (`with_request_body`) stays below a mebibyte.
MESSAGE_BYTES_MAX = 1_048_576

# The largest frame that we accept; RFC 9113's smallest, so no peer can be surprised.
FRAME_BYTES_MAX = 16_384

# Per stream: one message and its padding. Per connection: sixteen of them at once.
STREAM_WINDOW = 2 * MESSAGE_BYTES_MAX
CONNECTION_WINDOW = 16 * MESSAGE_BYTES_MAX

# Messages whose end has not come. Windows are refilled before, since streams that wait for each
# other's window would never end; so this is the bound. A check in one frame is never held.
HELD_BYTES_MAX_OF_CONNECTION = 16 * MESSAGE_BYTES_MAX
HELD_BYTES_MAX = 64 * MESSAGE_BYTES_MAX

# gRPC metadata of a check is ten short headers. CVE-2024-27983 and others sent CONTINUATION
# frames without end, so both their bytes and their number are bounded.
HEADER_LIST_BYTES_MAX = 65_536
CONTINUATIONS_MAX = 128

# What one connection may do before the others have their turn. An ordinary burst of calls is read
# in one go: 64 of them take 0.7 ms. What is out of the ordinary (frames that are no call, header
# blocks not seen before), or comes while others wait, is cut finer: honest calls would feel it.
TURN_SECONDS_MAX = 0.001
TURN_SECONDS_MAX_OF_OTHERS = 0.0001
ANSWERS_FREED_PER_TURN_MAX = 32

# Frames that cost us and bring no check: resets, PING, SETTINGS, PRIORITY, empty DATA. Honest
# peers send a few for each check at the worst, when every caller hangs up.
IDLE_FRAMES_PER_SECOND = 2_000
IDLE_FRAMES_BURST = 5_000
# Each call may be followed by its reset and a window update, at any rate.
IDLE_FRAMES_PER_CALL = 2
# Header blocks pay as frames do for what is beyond an honest peer's: two fields, or 128 bytes.
HEADER_FIELDS_FREE = 64
HEADER_BYTES_FREE = 1_024

# A peer that does not finish what it began (greeting, frame, header block, request), or does not
# read what we send. Envoy waits a quarter of a second for a whole check.
STALLED_SECONDS_MAX = 10.0

# Different header blocks remembered: one for each method and caller in a mesh without tracing,
# and at most 4 MB when all of them differ. Larger ones are not an ordinary call's.
HEADER_BLOCKS_MAX = 4_096
REMEMBERED_BLOCK_BYTES_MAX = 1_024
