-- Takes from any number of token buckets at once, on the server's clock.
--
-- KEYS[i]                        a bucket: "<debt> <microseconds>", its debt in tokens at that time
-- ARGV[3i-2], [3i-1], [3i]       its capacity, the seconds in which it refills whole, the tokens wanted
-- answer[2i-1], [2i]             the tokens granted, and the debt before that as text: a Lua number would
--                                reach the client as an integer

local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local answer = {}
for i, key in ipairs(KEYS) do
  local capacity, period, wanted = tonumber(ARGV[3 * i - 2]), tonumber(ARGV[3 * i - 1]), tonumber(ARGV[3 * i])
  local debt, at = string.match(redis.call('GET', key) or '0 0', '(%S+) (%S+)')
  local repaid = math.max(0, now - at) / 1000000 * capacity / period
  -- A limit that was lowered must not leave a debt that takes longer than its own period.
  debt = math.max(0, math.min(debt, capacity) - repaid)
  local granted = math.max(0, math.min(wanted, math.floor(capacity - debt + 1e-9)))
  if granted > 0 then
    local owed = debt + granted
    local refilled_in = math.max(1, math.ceil(owed * period / capacity * 1000))
    redis.call('SET', key, string.format('%.17g %.0f', owed, now), 'PX', string.format('%.0f', refilled_in))
  end
  answer[2 * i - 1] = granted
  answer[2 * i] = string.format('%.17g', debt)
end
return answer
