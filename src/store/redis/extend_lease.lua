-- Has the lease last this long from now, if this process still holds it. KEYS: lease. ARGV: owner, milliseconds.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
