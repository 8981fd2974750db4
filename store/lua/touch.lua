-- Notes that users were written or read, and names those to forget.
--
-- KEYS[1]  a part of the list of a connector's users, by when they were used
-- ARGV[1]  how many users the part may have
-- ARGV[2]  life of the list in ms; 0: for ever
-- ARGV[3]  the clock in us
-- ARGV[4…] the users
-- Returns those to forget, the longest unused first, each with when it was used.

for i = 4, #ARGV do redis.call('ZADD', KEYS[1], 'GT', ARGV[3], ARGV[i]) end
if ARGV[2] ~= '0' then redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
local over = redis.call('ZCARD', KEYS[1]) - tonumber(ARGV[1])
if over <= 0 then return {} end
return redis.call('ZPOPMIN', KEYS[1], over)
