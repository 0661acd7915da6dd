-- Take over what the ledger holds of a metric, unless something newer is held.
--
-- KEYS[1]  tenant state (hash)
-- ARGV[1]  metric                          ARGV[2]  version
-- ARGV[3]  start of the period, microseconds since the Unix epoch
-- ARGV[4]  units used in the period        ARGV[5]  units of reservations accounted for in it
--
-- Returns 1 when applied, 0 when stale or of a period that is over.

local metric, version, period = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local state = redis.call('HGET', KEYS[1], metric)
local held, reserved, held_version = 0, 0, 0
if state then
  local _
  held, reserved, _, _, held_version = struct.unpack('>ddddd', state)
end
if version <= held_version or period < held then return 0 end

local carried = tonumber(ARGV[5])
-- A new period begins with nothing reserved. Less reserved than the ledger has seen means that
-- this Redis lost reservations which were carried before.
if period > held then reserved = 0 end
reserved = math.max(reserved, carried)
redis.call('HSET', KEYS[1], metric,
  struct.pack('>ddddd', period, reserved, carried, tonumber(ARGV[4]), version))
return 1
