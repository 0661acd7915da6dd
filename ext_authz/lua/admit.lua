-- Hold a call against its tenant's limits and reserve its units. All or nothing: a refusal writes
-- nothing. Who calls and what the plan says is known to the caller, so this is all that is shared.
--
-- KEYS[1]  tenant state (hash)
-- KEYS[2]  charge stream of the partition
--
-- ARGV[1]  metric                          ARGV[2]  units to reserve, 0 or more
-- ARGV[3]  burst: interval between calls   ARGV[4]  burst: interval times capacity
-- ARGV[5]  rate: calls per minute
-- ARGV[6]  start of the billing period     ARGV[7]  its end      ARGV[8]  end of the next one
-- ARGV[9]  quota: units that may be used in the period, -1 without end
-- ARGV[10] what the charge stream is told about the call
-- Times are microseconds, points in time since the Unix epoch.
--
-- Returns {outcome, now, …}, the rules in this order:
--   1 burst_exceeded  {1, now, wait, burst full after}
--   2 rate_exceeded   {2, now, wait, burst full after}
--   3 quota_exceeded  {3, now, wait, burst full after, rate left, units used}
--   0 allowed         {0, now, 0, burst full after, rate left, units used, this call's included}

local call = redis.call
local MINUTE = 60000000

local clock = call('TIME')
local now = clock[1] * 1000000 + clock[2]

local metric = ARGV[1]
local state = call('HMGET', KEYS[1], 'limits', metric)
local tat, stored, count, previous = 0, 0, 0, 0
if state[1] then tat, stored, count, previous = struct.unpack('>dddd', state[1]) end

-- Burst, GCRA: `tat` is when the bucket will be full again. Further ahead than a bucket reaches it
-- can only lie after a clock that jumped back or a plan with a smaller bucket: start anew.
local interval, bucket = tonumber(ARGV[3]), tonumber(ARGV[4])
if tat < now or tat > now + bucket then tat = now end
tat = tat + interval
if tat - bucket > now then return {1, now, tat - bucket - now, tat - interval - now} end

-- Rate, sliding window: the share of the previous minute that still lies in the window, plus this
-- minute. All products stay below 2^53, so the comparison is exact. Just after a minute began, the
-- clock of another Redis may still be in the one before: time then stands still until it follows.
local rate = tonumber(ARGV[5])
local window, moment = math.floor(now / MINUTE), now
if stored == window + 1 then
  window, moment = stored, stored * MINUTE
end
local elapsed = moment - window * MINUTE
if stored ~= window then
  previous = stored == window - 1 and count or 0
  count = 0
end
local left = rate * MINUTE - previous * (MINUTE - elapsed) - (count + 1) * MINUTE
if left < 0 then
  local wait = moment - now
  if count < rate then
    wait = wait + MINUTE - math.floor((rate - count - 1) * MINUTE / previous) - elapsed
  else
    wait = wait + MINUTE - elapsed + MINUTE - math.floor((rate - 1) * MINUTE / count)
  end
  return {2, now, wait, tat - now}
end
local rate_left = math.floor(left / MINUTE)

-- Quota: what the ledger has, plus what was reserved here and has not reached it yet.
local units, limit = tonumber(ARGV[2]), tonumber(ARGV[9])
local period, period_end = tonumber(ARGV[6]), tonumber(ARGV[7])
if now >= period_end then period, period_end = period_end, tonumber(ARGV[8]) end
local held, reserved, carried, used, version = 0, 0, 0, 0, 0
if state[2] then held, reserved, carried, used, version = struct.unpack('>ddddd', state[2]) end
if held < period then held, reserved, carried, used = period, 0, 0, 0 end
local consumed = used + reserved - carried
if limit >= 0 and consumed + units > limit then
  return {3, now, period_end - now, tat - now, rate_left, consumed}
end

call('HSET', KEYS[1], 'limits', struct.pack('>dddd', tat, window, count + 1, previous),
  metric, struct.pack('>ddddd', held, reserved + units, carried, used, version))
call('XADD', KEYS[2], '*', 'at', string.format('%.0f', now), 'call', ARGV[10])
return {0, now, 0, tat - now, rate_left, consumed + units}
