-- Counts an offer among those that a person was given, if they have not got enough.
--
-- KEYS[1]  the offers that count, by when they were given to the person
-- ARGV[1]  the offer; one that is there counts once
-- ARGV[2]  when, in us
-- ARGV[3]  since when they count, in us
-- ARGV[4]  how many are enough
-- ARGV[5]  life of the list in ms
-- Returns 1; 0: the person has got enough.

if redis.call('ZSCORE', KEYS[1], ARGV[1]) then return 1 end
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', ARGV[3])
if redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[4]) then return 0 end
redis.call('ZADD', KEYS[1], ARGV[2], ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[5])
return 1
