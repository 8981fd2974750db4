-- What is to be done once.
--
-- KEYS[1]  the key (docs/decisions/0012-redis-layout.md)
-- ARGV[1]  begin: take it, if it is free
--          done: note that it was done
--          undone: give it back, if the holder has it still
-- ARGV[2]  the holder
-- ARGV[3]  the digest, 32 bytes
-- ARGV[4]  begin: life of the turn in ms; done: how long it is remembered
-- Returns for begin 0 taken, 1 somebody has it, 2 it was done with this digest,
-- 3 with another one, 4 the key is of a newer format.

local op = ARGV[1]
if op == 'done' then
  redis.call('SET', KEYS[1], '\1d' .. ARGV[3], 'PX', ARGV[4])
  return 0
end

local value = redis.call('GET', KEYS[1])
if op == 'undone' then
  if value == '\1r' .. ARGV[2] then redis.call('DEL', KEYS[1]) end
  return 0
end
if not value then
  redis.call('SET', KEYS[1], '\1r' .. ARGV[2], 'PX', ARGV[4])
  return 0
end
if string.byte(value) ~= 1 then return 4 end
if string.sub(value, 2, 2) == 'r' then return 1 end
return string.sub(value, 3) == ARGV[3] and 2 or 3
