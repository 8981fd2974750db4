-- Deletes a user that was not written since it was last used.
--
-- KEYS[1]  the user's record
-- ARGV[1]  when it was last used, in us
-- Returns 1 when it was deleted, else 0.

local head = redis.call('GETRANGE', KEYS[1], 0, 9)
if #head < 10 or struct.unpack('>I8', head, 3) > tonumber(ARGV[1]) then return 0 end
return redis.call('UNLINK', KEYS[1])
