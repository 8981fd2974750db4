-- Adds to a list by time; those of the same time stand in the order in which they came. What
-- is there already is not added again.
--
-- KEYS[1]  the list: a sorted set by time
-- KEYS[2]  the same members by when they expire, if they do
-- ARGV[1]  its time, in us
-- ARGV[2]  what is added
-- ARGV[3]  life of the list in ms, at least
-- ARGV[4]  in us: what is older, or has expired before, is dropped
-- ARGV[5]  when it expires, in us
-- Returns 0.

local member, n = nil, 0
for _, there in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], ARGV[1], ARGV[1])) do
  if string.sub(there, 6) == ARGV[2] then member = there end
  n = math.max(n, struct.unpack('>I4', there, 2) + 1)
end
member = member or '\1' .. struct.pack('>I4', n) .. ARGV[2]
redis.call('ZADD', KEYS[1], ARGV[1], member)
if KEYS[2] then
  redis.call('ZADD', KEYS[2], ARGV[5], member)
  for _, old in ipairs(redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', '(' .. ARGV[4], 'LIMIT', 0, 1000)) do
    redis.call('ZREM', KEYS[1], old)
    redis.call('ZREM', KEYS[2], old)
  end
else
  redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', '(' .. ARGV[4])
end
for _, key in ipairs(KEYS) do
  if redis.call('PTTL', key) < tonumber(ARGV[3]) then redis.call('PEXPIRE', key, ARGV[3]) end
end
return 0
