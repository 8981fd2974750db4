-- Puts another record in the place of a connector's, if it is still the one that was read.
--
-- KEYS[1]  the hash of all connectors
-- ARGV[1]  the connector's id
-- ARGV[2]  the record that was read
-- ARGV[3]  the other one
-- Returns whether it has.

if redis.call('HGET', KEYS[1], ARGV[1]) ~= ARGV[2] then return 0 end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
return 1
