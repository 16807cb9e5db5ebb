-- Returns the entry and the milliseconds until it expires. KEYS: token.
return {redis.call('GET', KEYS[1]), redis.call('PTTL', KEYS[1])}
