-- Take over what the ledger holds of a metric, unless something newer is held.
--
-- KEYS[1]  tenant state (hash)
-- ARGV[1]  metric                          ARGV[2]  version
-- ARGV[3]  start of the period, microseconds since the Unix epoch
-- ARGV[4]  units used in the period        ARGV[5]  units of reservations accounted for in it
--
-- Returns 1 when applied, 0 when stale or of a period that is over.

local metric, version, period = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local state = redis.call('HMGET', KEYS[1],
  'version:' .. metric, 'period:' .. metric, 'reserved:' .. metric)
local held_period = tonumber(state[2]) or 0
if version <= (tonumber(state[1]) or 0) or period < held_period then return 0 end

local reserved, carried = 0, tonumber(ARGV[5])
if period == held_period then reserved = tonumber(state[3]) or 0 end
-- Less reserved than the ledger has seen: this Redis lost reservations that were carried before.
if reserved < carried then reserved = carried end
redis.call('HSET', KEYS[1], 'version:' .. metric, ARGV[2], 'period:' .. metric, ARGV[3],
  'reserved:' .. metric, string.format('%.0f', reserved), 'carried:' .. metric, ARGV[5],
  'used:' .. metric, ARGV[4])
return 1
