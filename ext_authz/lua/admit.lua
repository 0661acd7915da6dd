-- Admit a call, or say why not. All or nothing: a refusal writes nothing.
--
-- KEYS[1]  key record (hash)
-- KEYS[2]  charge stream of the partition
-- The tenant's two hashes are named by the key record, so they cannot be listed in KEYS; they carry
-- the same hash tag, hence live in the same slot.
--
-- ARGV[1]  prefix of tenant records       ARGV[2]  prefix of tenant states
-- ARGV[3]  charge id                      ARGV[4]  request id, may be empty
-- ARGV[5]  metric                         ARGV[6]  units to reserve, 0 or more
-- ARGV[7]  scope that the route asks for, may be empty
--
-- Returns {outcome, now, tenant, key id, plan, retry after,
--          burst capacity, burst window, burst left, burst full after,
--          rate limit, rate left,
--          quota included, quota left, period start, period end}
-- Times are microseconds; `now` and the period since the Unix epoch, the others from now.
-- A quota of -1 is unlimited. A refusal ends after the last value that is known.
--
-- Outcomes, in the order they are tried: credential_unknown, credential_revoked,
-- credential_expired, tenant_suspended, scope_missing, burst_exceeded, rate_exceeded,
-- quota_exceeded, allowed.

local MINUTE = 60000000

-- Lua prints numbers above 10^14 in scientific notation, which would lose the microseconds.
local function integer(number)
  return string.format('%.0f', number)
end

local clock = redis.call('TIME')
local now = tonumber(clock[1]) * 1000000 + tonumber(clock[2])

local key = redis.call('HMGET', KEYS[1], 'tenant', 'id', 'status', 'expires_at', 'scopes')
local tenant_id, key_id = key[1], key[2]
if not tenant_id then return {'credential_unknown', now} end
if key[3] ~= 'active' then return {'credential_revoked', now, tenant_id, key_id} end
local expires_at = tonumber(key[4])
if expires_at and now >= expires_at then
  return {'credential_expired', now, tenant_id, key_id}
end

local metric = ARGV[5]
local policy = redis.call('HMGET', ARGV[1] .. tenant_id, 'status', 'plan',
  'burst_interval', 'burst_capacity', 'rate_per_minute',
  'period_start', 'period_end', 'next_period_end', 'limit:' .. metric, 'included:' .. metric)
local status, plan = policy[1], policy[2]
if not status then return {'credential_unknown', now} end
if status ~= 'active' then return {'tenant_suspended', now, tenant_id, key_id, plan} end

local scope = ARGV[7]
if scope ~= '' and not key[5]:find(' * ', 1, true)
    and not key[5]:find(' ' .. scope .. ' ', 1, true) then
  return {'scope_missing', now, tenant_id, key_id, plan}
end

local state_key = ARGV[2] .. tenant_id
local state = redis.call('HMGET', state_key, 'tat', 'window', 'count', 'previous',
  'period:' .. metric, 'reserved:' .. metric, 'carried:' .. metric, 'used:' .. metric)

-- Burst, GCRA: `tat` is when the bucket will be full again. Further ahead than a bucket reaches it
-- can only lie after a clock that jumped back or a plan with a smaller bucket: start anew.
local interval, capacity = tonumber(policy[3]), tonumber(policy[4])
local bucket = interval * capacity
local tat = math.max(tonumber(state[1]) or 0, now)
if tat > now + bucket then tat = now end
tat = tat + interval
if tat - bucket > now then
  return {'burst_exceeded', now, tenant_id, key_id, plan, tat - bucket - now,
    capacity, bucket, 0, tat - interval - now}
end
local burst_left = math.floor((now + bucket - tat) / interval)

-- Rate, sliding window: the share of the previous minute that still lies in the window, plus this
-- minute. All products stay below 2^53, so the comparison is exact. Just after a minute began, the
-- clock of another Redis may still be in the one before: time then stands still until it follows.
local rate = tonumber(policy[5])
local window, moment = math.floor(now / MINUTE), now
local stored = tonumber(state[2]) or 0
if stored == window + 1 then
  window, moment = stored, stored * MINUTE
end
local elapsed = moment - window * MINUTE
local count, previous = 0, 0
if stored == window then
  count, previous = tonumber(state[3]), tonumber(state[4])
elseif stored == window - 1 then
  previous = tonumber(state[3])
end
local weight = previous * (MINUTE - elapsed)
if weight + (count + 1) * MINUTE > rate * MINUTE then
  local wait = moment - now
  if count < rate then
    wait = wait + MINUTE - math.floor((rate - count - 1) * MINUTE / previous) - elapsed
  else
    wait = wait + MINUTE - elapsed + MINUTE - math.floor((rate - 1) * MINUTE / count)
  end
  return {'rate_exceeded', now, tenant_id, key_id, plan, wait,
    capacity, bucket, burst_left, tat - now, rate, 0}
end
count = count + 1
local rate_left = math.floor((rate * MINUTE - weight - count * MINUTE) / MINUTE)

-- Quota: what the ledger has, plus what was reserved here and has not reached it yet.
local units = tonumber(ARGV[6])
local period, period_end = tonumber(policy[6]), tonumber(policy[7])
if now >= period_end then
  period, period_end = period_end, tonumber(policy[8])
end
-- A metric that the plan does not sell has nothing included.
local limit, included = tonumber(policy[9]) or 0, tonumber(policy[10]) or 0
local reserved, carried, used = 0, 0, 0
local same_period = (tonumber(state[5]) or 0) >= period
if same_period then
  period = tonumber(state[5])
  reserved, carried, used = tonumber(state[6]), tonumber(state[7]), tonumber(state[8])
end
local consumed = used + reserved - carried
if limit >= 0 and consumed + units > limit then
  return {'quota_exceeded', now, tenant_id, key_id, plan, period_end - now,
    capacity, bucket, burst_left, tat - now, rate, rate_left,
    included, math.max(0, included - consumed), period, period_end}
end
local quota_left = -1
if included >= 0 then quota_left = math.max(0, included - consumed - units) end

local changes = {'tat', integer(tat), 'window', integer(window),
  'count', count, 'previous', previous,
  'period:' .. metric, integer(period), 'reserved:' .. metric, integer(reserved + units)}
if not same_period then
  for _, value in ipairs({'carried:' .. metric, 0, 'used:' .. metric, 0}) do
    changes[#changes + 1] = value
  end
end
redis.call('HSET', state_key, unpack(changes))
redis.call('XADD', KEYS[2], '*', 'charge', ARGV[3], 'tenant', tenant_id, 'key', key_id,
  'metric', metric, 'units', ARGV[6], 'at', integer(now), 'request', ARGV[4])

return {'allowed', now, tenant_id, key_id, plan, 0,
  capacity, bucket, burst_left, tat - now, rate, rate_left,
  included, quota_left, period, period_end}
