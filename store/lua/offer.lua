-- An offer and what became of it.
--
-- KEYS[1]  the offer (docs/decisions/0012-redis-layout.md): a hash of what it is, o; how
--          often it got how far, n0 to n4, and was capped, n5; and for each person, p and
--          their key, five times of 8 bytes in us, 0 for none, and the visitor that it was
--          claimed for; c and their key, if it was capped.
-- ARGV[1]  put: make it, unless it is there
--            ARGV[2] what it is
--            ARGV[3] its life in ms
--            Returns {1 it was made, 0 it was there; what it is; its counts}.
--          get: returns {0; what it is, empty if it is not there; its counts}.
--          look, claim, cap: may it be sent to a person; that it is; that they got enough
--            ARGV[2] the person
--            ARGV[3] the visitor
--            ARGV[4] when, in us
--            Returns 0 it may not, 1 it may, 2 to look: it may when the person has not got
--            enough.
--          mark: what became of it
--            ARGV[2] the step, from 0
--            ARGV[3] when, in us
--            ARGV[4…] the persons, of whom the first counts who has it
--            Returns 1; 0: none of them has it.
--          states: ARGV[2…] the persons. Returns theirs, empty for those who do not have it.
--          forget: ARGV[2…] the persons. Returns 0.
-- An offer of a newer format is -1.

local op = ARGV[1]
local offer = redis.call('HGET', KEYS[1], 'o')
if offer and string.byte(offer) ~= 1 then return -1 end

if op == 'put' or op == 'get' then
  local made = 0
  if op == 'put' and not offer then
    redis.call('HSET', KEYS[1], 'o', ARGV[2])
    redis.call('PEXPIRE', KEYS[1], ARGV[3])
    made, offer = 1, ARGV[2]
  end
  local answer = {made, offer or ''}
  for i, count in ipairs(redis.call('HMGET', KEYS[1], 'n0', 'n1', 'n2', 'n3', 'n4', 'n5')) do
    answer[i + 2] = tonumber(count or 0)
  end
  return answer
end

if op == 'states' then
  local states = {}
  for i = 2, #ARGV do states[i - 1] = redis.call('HGET', KEYS[1], 'p' .. ARGV[i]) or '' end
  return states
end
if not offer then return 0 end

if op == 'look' or op == 'claim' or op == 'cap' then
  local state = redis.call('HGET', KEYS[1], 'p' .. ARGV[2])
  if state then return string.sub(state, 41) == ARGV[3] and 1 or 0 end
  if op == 'look' then return 2 end
  if op == 'cap' then
    if redis.call('HSETNX', KEYS[1], 'c' .. ARGV[2], '') == 1 then redis.call('HINCRBY', KEYS[1], 'n5', 1) end
    return 0
  end
  redis.call('HSET', KEYS[1], 'p' .. ARGV[2], struct.pack('>I8', ARGV[4]) .. string.rep('\0', 32) .. ARGV[3])
  redis.call('HINCRBY', KEYS[1], 'n0', 1)
  return 1
end

if op == 'mark' then
  local at = 8 * tonumber(ARGV[2])
  for i = 4, #ARGV do
    local state = redis.call('HGET', KEYS[1], 'p' .. ARGV[i])
    if state then
      if struct.unpack('>I8', state, at + 1) == 0 then
        redis.call('HSET', KEYS[1], 'p' .. ARGV[i], string.sub(state, 1, at) .. struct.pack('>I8', ARGV[3]) .. string.sub(state, at + 9))
        redis.call('HINCRBY', KEYS[1], 'n' .. ARGV[2], 1)
      end
      return 1
    end
  end
  return 0
end

for i = 2, #ARGV do redis.call('HDEL', KEYS[1], 'p' .. ARGV[i], 'c' .. ARGV[i]) end
return 0
