-- Remove a consumer that has nothing pending. Removing one discards what it has pending, so looking
-- and removing must not be two steps: a read that was given up may still be carried out in between.
--
-- KEYS[1]  charge stream
-- ARGV[1]  consumer group                  ARGV[2]  consumer
--
-- Returns 1 when it is gone, 0 when it has something pending or there is no such group.

local pending = redis.pcall('XPENDING', KEYS[1], ARGV[1], '-', '+', 1, ARGV[2])
if pending.err or #pending > 0 then return 0 end
redis.call('XGROUP', 'DELCONSUMER', KEYS[1], ARGV[1], ARGV[2])
return 1
