-- Reads the latest of a sorted set by time.
--
-- KEYS[1]  the set
-- KEYS[2]  of a visitor's views: those of the user, while the visitor is somebody else
-- KEYS[3]  of a visitor's views: its record (docs/decisions/0012-redis-layout.md)
-- ARGV[1]  how many
-- ARGV[2]  the latest time, as ZRANGE has it
-- ARGV[3]  the earliest time
-- ARGV[4]  of the latest time only those that are less than this, by bytes; empty: all
-- ARGV[5]  of a visitor's views: the user; empty: the visitor has none
-- ARGV[6]  of a visitor's views: 1: what it has looked at is the user's also while nobody
--          knows that it is
-- Returns each and its time, the latest first, those of a time by their bytes, the last
-- first. {-1}: the record is of a newer format.

local set = KEYS[1]
if KEYS[3] then
  local head = redis.call('GETRANGE', KEYS[3], 0, 56)
  if head ~= '' and string.byte(head) ~= 1 then return {-1} end
  local user = ''
  if head ~= '' then user = redis.call('GETRANGE', KEYS[3], 57, 56 + struct.unpack('>I4', head, 46)) end
  if user ~= ARGV[5] and not (user == '' and ARGV[6] == '1') then set = KEYS[2] end
end

-- By bytes: Lua compares as the server's language does.
local function less(a, b)
  for i = 1, math.min(#a, #b) do
    local x, y = string.byte(a, i), string.byte(b, i)
    if x ~= y then return x < y end
  end
  return #a < #b
end

local most, latest, before = tonumber(ARGV[1]), tonumber(ARGV[2]), ARGV[4]
local found, from = {}, 0
repeat
  local list = redis.call('ZRANGE', set, ARGV[2], ARGV[3], 'BYSCORE', 'REV', 'LIMIT', from, most, 'WITHSCORES')
  for i = 1, #list, 2 do
    if #found < 2 * most and (before == '' or tonumber(list[i + 1]) ~= latest or less(list[i], before)) then
      found[#found + 1], found[#found + 2] = list[i], list[i + 1]
    end
  end
  from = from + most
until #list < 2 * most or #found >= 2 * most
return found
