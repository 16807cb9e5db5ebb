-- Replaces the entry and releases the lease. KEYS: token, lease. ARGV: owner, new entry, its end, the entry that was
-- read. A process that has lost the lease may replace only the entry that it has read, and only if no other process has
-- the lease now. The end is in Redis's own time, because this may run long after it was sent.
local owner = redis.call('GET', KEYS[2])
local there = redis.call('GET', KEYS[1])
if owner ~= ARGV[1] and (owner or there and there ~= ARGV[2] and there ~= ARGV[4]) then return 0 end
local now = redis.call('TIME')
local left = ARGV[3] - now[1] * 1000 - math.floor(now[2] / 1000)
if left > 0 then redis.call('SET', KEYS[1], ARGV[2], 'PX', string.format('%.0f', left)) end
if owner == ARGV[1] then redis.call('DEL', KEYS[2]) end
return 1
