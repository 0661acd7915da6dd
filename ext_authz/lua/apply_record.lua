-- Replace a policy record, unless the one held is as new or newer, and tell the gates.
--
-- KEYS[1]  key record or tenant record (hash)
-- ARGV[1]  version
-- ARGV[2]  channel that gates listen to
-- ARGV[3…] field, value, field, value, …
--
-- Returns 1 when applied, 0 when stale.

local held = tonumber(redis.call('HGET', KEYS[1], 'version'))
if held and held >= tonumber(ARGV[1]) then return 0 end
redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[1], 'version', ARGV[1], unpack(ARGV, 3))
redis.call('PUBLISH', ARGV[2], KEYS[1])
return 1
