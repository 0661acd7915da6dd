"""What one peer may ask of the server, and why not half or double."""

from __future__ import annotations

# Envoy has one connection per worker thread and as many checks in flight as it has requests; its
# own limit towards us is far above. At 2,000 a full answer buffer is some 2 MB per connection.
CONCURRENT_STREAMS_MAX = 2_000

# A CheckRequest is 60 KB of headers at the most, as Envoy's own limit has it, plus a little. A
# route that sends bodies along (`with_request_body`) stays below a mebibyte.
MESSAGE_BYTES_MAX = 1_048_576

# The largest frame that we accept; RFC 9113's smallest, so no peer can be surprised.
FRAME_BYTES_MAX = 16_384

# Per stream: one message and its padding. Per connection: sixteen of them at once.
STREAM_WINDOW = 2 * MESSAGE_BYTES_MAX
CONNECTION_WINDOW = 16 * MESSAGE_BYTES_MAX

# gRPC metadata of a check is ten short headers. CVE-2024-27983 and others sent CONTINUATION
# frames without end, so both their bytes and their number are bounded.
HEADER_LIST_BYTES_MAX = 65_536
CONTINUATIONS_MAX = 8

# Frames that cost us and bring no check: resets (CVE-2023-44487), PING, SETTINGS, PRIORITY, empty
# DATA. Honest peers send a few for each check at the worst, when every caller hangs up.
IDLE_FRAMES_PER_SECOND = 2_000
IDLE_FRAMES_BURST = 10_000

# A peer that neither finishes its greeting or header block, nor reads what we send.
STALLED_SECONDS_MAX = 10.0

# Different header blocks remembered: one for each method and caller in a mesh without tracing,
# and at most 4 MB when all of them differ.
HEADER_BLOCKS_MAX = 4_096
