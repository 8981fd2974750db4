-- Stores a user's state, gives it its version, and tells the nodes that serve
-- the user: one step. A stale state changes nothing. A state that is restored
-- has its version, and is stale unless the record's is lower.
--
-- KEYS[1]  the user's record (docs/decisions/0012-redis-layout.md)
-- KEYS[2]  the topics of those who were merged into the user, the latest last
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
-- ARGV[12] topics that are merged into the user, as ARGV[2]
-- ARGV[13] how many topics of merges a user may have; empty: those there are forgotten
-- ARGV[14] what stands before the message's kind when it is traced; else empty
-- Returns {status, version (8 bytes), claim, the topics before, since, topics}, of
-- which there may be fewer: status 0 stale, 1 stored, 2 the record is of a newer format; claim 1: the
-- topics are to be claimed, 2: but a write that does so may be under way. The
-- topics before come with claim alone. With status 0 they are those to be
-- claimed, of a record that has the version to restore, and since (8 bytes) is
-- the version with which it has claimed them. topics are those of the record, when
-- they are not ARGV[2].

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

-- A list of topics as a table, and back: each with its length as a uvarint.
local function unpackList(list)
  local at, found = 1, {}
  while at <= #list do
    local size, unit, b = 0, 1
    repeat
      b = string.byte(list, at)
      size, unit, at = size + (b % 128) * unit, unit * 128, at + 1
    until b < 128
    found[#found + 1] = string.sub(list, at, at + size - 1)
    at = at + size
  end
  return found
end

local function packList(topics, from)
  local parts = {}
  for i = from, #topics do
    local size = #topics[i]
    while size >= 128 do
      parts[#parts + 1] = string.char(size % 128 + 128)
      size = math.floor(size / 128)
    end
    parts[#parts + 1] = string.char(size) .. topics[i]
  end
  return table.concat(parts)
end

-- By bytes: Lua compares as the server's language does.
local function less(a, b)
  for i = 1, math.min(#a, #b) do
    local x, y = string.byte(a, i), string.byte(b, i)
    if x ~= y then return x < y end
  end
  return #a < #b
end

local function set(list)
  local is = {}
  for _, topic in ipairs(list) do is[topic] = true end
  return is
end

local topics = ARGV[2]
local merged = redis.call('GET', KEYS[2]) or ''
if merged ~= '' and string.byte(merged) ~= 1 then return {2, zero, 0} end
if ARGV[13] == '' then
  if merged ~= '' then redis.call('DEL', KEYS[2]) end
elseif merged ~= '' or ARGV[12] ~= '' then
  local new, named, led = unpackList(ARGV[12]), unpackList(topics), set(unpackList(before))
  local isNew, isNamed, all = set(new), set(named), {}
  for _, topic in ipairs(unpackList(string.sub(merged, 2))) do
    if not isNew[topic] then
      all[#all + 1] = topic
      if led[topic] and not isNamed[topic] then named[#named + 1] = topic end
    end
  end
  for _, topic in ipairs(new) do
    all[#all + 1] = topic
    if not isNamed[topic] then named[#named + 1] = topic end
  end
  table.sort(named, less)
  topics = packList(named, 1)
  local list = '\1' .. packList(all, math.max(1, #all - tonumber(ARGV[13]) + 1))
  if ARGV[4] == '0' then
    redis.call('SET', KEYS[2], list)
  else
    redis.call('SET', KEYS[2], list, 'PX', ARGV[4])
  end
end

if exact == '' then version = math.max(version + 1, now) end
local refresh = tonumber(ARGV[5])
local claim = exact ~= '' or pending ~= 0 or topics ~= before
  or (refresh > 0 and topics ~= '' and now - since > refresh)
if claim then since, pending = version, exact == '' and 1 or 2 end
local packed = struct.pack('>I8', version)
local record = '\1' .. string.char(pending) .. packed .. at .. struct.pack('>I8I4', since, #topics)
  .. topics .. ARGV[3]
if ARGV[4] == '0' then
  redis.call('SET', KEYS[1], record)
else
  redis.call('SET', KEYS[1], record, 'PX', ARGV[4])
end
if ARGV[7] ~= '' then
  local former = before ~= topics and before or ''
  redis.call(ARGV[7], ARGV[8], '\1' .. ARGV[14] .. 'u' .. packed .. ARGV[9] .. struct.pack('>I4I4I4', #former, #topics, #ARGV[10])
    .. former .. topics .. ARGV[10] .. ARGV[3])
end
local answer = {1, packed, 0}
if claim then answer = {1, packed, 1, before} end
if topics ~= ARGV[2] then answer[4], answer[5], answer[6] = answer[4] or '', '', topics end
return answer
