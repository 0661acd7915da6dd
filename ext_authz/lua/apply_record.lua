-- Replace a policy record, unless the one held is as new or newer.
--
-- KEYS[1]  key record or tenant record (hash)
-- ARGV[1]  version
-- ARGV[2…] field, value, field, value, …
--
-- Returns 1 when applied, 0 when stale.

local held = tonumber(redis.call('HGET', KEYS[1], 'version'))
if held and held >= tonumber(ARGV[1]) then return 0 end
redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[1], 'version', unpack(ARGV))
return 1
