-- Deletes a user that was not written since it was last used.
--
-- KEYS[1]  the user's record
-- KEYS[2]  the topics of those who were merged into the user
-- ARGV[1]  when it was last used, in us
-- Returns 1 when it was deleted, else 0.

local head = redis.call('GETRANGE', KEYS[1], 0, 9)
if #head < 10 or struct.unpack('>I8', head, 3) > tonumber(ARGV[1]) then return 0 end
redis.call('UNLINK', KEYS[2])
return redis.call('UNLINK', KEYS[1])
