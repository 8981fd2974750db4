-- Notes when those of a list were last seen, and drops who was not for long.
--
-- KEYS[1]  a sorted set by when they were seen last
-- ARGV[1]  life of the set in ms
-- ARGV[2]  what is older, in us, is dropped
-- ARGV[3…] when, in us, and who
-- Returns 0.

for i = 3, #ARGV, 2 do redis.call('ZADD', KEYS[1], 'GT', ARGV[i], ARGV[i + 1]) end
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', '(' .. ARGV[2])
if redis.call('PTTL', KEYS[1]) < tonumber(ARGV[1]) then redis.call('PEXPIRE', KEYS[1], ARGV[1]) end
return 0
