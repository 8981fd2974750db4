-- Stores a user's state, gives it its version, and tells the nodes that serve
-- the user: one step. A stale state changes nothing. A state that is restored
-- has its version, and is stale unless the record's is lower.
--
-- KEYS[1]  the user's record (docs/decisions/0012-redis-layout.md)
-- ARGV[1]  when the state came to be, 8 bytes; all zero: unknown
-- ARGV[2]  its topics, sorted, each as length and text
-- ARGV[3]  the state
-- ARGV[4]  life of the record in ms; 0: for ever
-- ARGV[5]  age in us at which the topics are claimed again, so that their keys
--          do not run out before the record; 0: never
-- ARGV[6]  the clock in us, for tests; empty: this server's
-- ARGV[7]  PUBLISH or SPUBLISH; empty: nobody is told
-- ARGV[8]  the user's channel
-- ARGV[9]  when the state was accepted, 8 bytes
-- ARGV[10] news that go with the message
-- ARGV[11] the version of a state that is restored, 8 bytes; empty: it is new
-- Returns {status, version (8 bytes), claim, the topics before or nil, since or
-- nil}: status 0 stale, 1 stored, 2 the record is of a newer format; claim 1: the
-- topics are to be claimed, 2: but a write that does so may be under way. The
-- topics before come with claim alone. With status 0 they are those to be
-- claimed, of a record that has the version to restore, and since (8 bytes) is
-- the version with which it has claimed them.

local zero = '\0\0\0\0\0\0\0\0'

-- A time of 8 bytes, with the sign bit flipped, in us; exact until 2255.
local function micro(time)
  local high, low = struct.unpack('>I4I4', time)
  return (high - 2147483648) * 4294967296 + low
end

local now
if ARGV[6] ~= '' then
  now = tonumber(ARGV[6])
else
  local t = redis.call('TIME')
  now = t[1] * 1000000 + t[2]
end

local head = redis.call('GETRANGE', KEYS[1], 0, 1023)
local version, since, pending, stored, before = 0, 0, 0, zero, ''
if head ~= '' then
  if string.byte(head) ~= 1 then return {2, zero, 0} end
  local _, size
  _, pending, version, stored, since, size = struct.unpack('>BBI8c8I8I4', head)
  if 30 + size > #head then head = redis.call('GETRANGE', KEYS[1], 0, 29 + size) end
  before = string.sub(head, 31, 30 + size)
end

local at, exact = ARGV[1], ARGV[11]
if exact ~= '' then
  local wanted = struct.unpack('>I8', exact)
  if wanted <= version then
    if wanted < version or before == '' then return {0, struct.pack('>I8', version), 0} end
    return {0, exact, pending == 1 and 2 or 1, before, string.sub(head, 19, 26)}
  end
  version = wanted
elseif at == zero then
  at = stored
else
  local us = micro(at)
  if us > now + 3600000000 then
    us = now
    at = struct.pack('>I4I4', math.floor(now / 4294967296) + 2147483648, now % 4294967296)
  end
  if head ~= '' and us < micro(stored) then
    return {0, struct.pack('>I8', version), 0}
  end
end

if exact == '' then version = math.max(version + 1, now) end
local refresh = tonumber(ARGV[5])
local claim = exact ~= '' or pending ~= 0 or ARGV[2] ~= before
  or (refresh > 0 and ARGV[2] ~= '' and now - since > refresh)
if claim then since, pending = version, exact == '' and 1 or 2 end
local packed = struct.pack('>I8', version)
local record = '\1' .. string.char(pending) .. packed .. at .. struct.pack('>I8I4', since, #ARGV[2])
  .. ARGV[2] .. ARGV[3]
if ARGV[4] == '0' then
  redis.call('SET', KEYS[1], record)
else
  redis.call('SET', KEYS[1], record, 'PX', ARGV[4])
end
if ARGV[7] ~= '' then
  local former = before ~= ARGV[2] and before or ''
  redis.call(ARGV[7], ARGV[8], '\1u' .. packed .. ARGV[9] .. struct.pack('>I4I4I4', #former, #ARGV[2], #ARGV[10])
    .. former .. ARGV[2] .. ARGV[10] .. ARGV[3])
end
if claim then return {1, packed, 1, before} end
return {1, packed, 0}
