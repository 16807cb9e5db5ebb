-- Returns the entry and the milliseconds until it expires. KEYS: token.
local entry = redis.call('GET', KEYS[1])
return {entry, redis.call('PTTL', KEYS[1])}
