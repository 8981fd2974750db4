-- Changes whom a topic leads to, and tells the nodes that wait on the topic.
--
-- KEYS[1]  the topic's key (docs/decisions/0012-redis-layout.md): who claimed it,
--          the last one first, back to the last whose claim is settled
-- ARGV[1]  claim: it leads to the user from now on
--          restore: so it does, unless who claimed it last has a higher version
--          drop: it leads to the user no more
--          undo: the claim came too late; it leads to whom it led before
--          settle: those whom it led to before have been relieved of it
-- ARGV[2]  the user
-- ARGV[3]  8 bytes: the version with which the user claimed its topics; of a
--          drop, that of the write that does not name the topic
-- ARGV[4]  life of the key in ms; 0: for ever
-- ARGV[5]  PUBLISH or SPUBLISH; empty: nobody is told
-- ARGV[6]  the topic's channel
-- ARGV[7]  when the user's state was accepted, 8 bytes
-- ARGV[8]  news that go with the message
-- ARGV[9] what stands before the message's kind when it is traced; else empty
-- Returns for claim and restore the users that may still name the topic and are
-- to be relieved of it, each as user and version, whom it led to first; for drop
-- 1 or 0 before them, whether the topic leads to nobody now; else nothing. {2, user}:
-- it is that user's, and not restored. A key of a newer format is {-1}.

local op, user, since = ARGV[1], ARGV[2], ARGV[3]
local most = 16 -- claims in a key: each but the first is of a write under way, or of a node that died

local value = redis.call('GET', KEYS[1])
local claims = {}
if value then
  if string.byte(value) ~= 1 then return {-1} end
  local at = 2
  while at <= #value do
    local version, size = struct.unpack('>c8I4', value, at)
    claims[#claims + 1] = {who = string.sub(value, at + 12, at + 11 + size), version = version}
    at = at + 12 + size
  end
end
local first = claims[1]

local function write()
  if #claims == 0 then
    redis.call('DEL', KEYS[1])
  else
    local parts = {'\1'}
    for i = 1, math.min(#claims, most) do
      local c = claims[i]
      parts[#parts + 1] = c.version .. struct.pack('>I4', #c.who) .. c.who
    end
    if ARGV[4] == '0' then
      redis.call('SET', KEYS[1], table.concat(parts))
    else
      redis.call('SET', KEYS[1], table.concat(parts), 'PX', ARGV[4])
    end
  end
  local who = claims[1] and claims[1].who or ''
  if ARGV[5] ~= '' and who ~= (first and first.who or '') then
    local news = who == user and ARGV[8] or ''
    redis.call(ARGV[5], ARGV[6], '\1' .. ARGV[9] .. 't' .. since .. ARGV[7] .. struct.pack('>I4', #news) .. news .. who)
  end
end

-- Whether version a is below b.
local function below(a, b) return struct.unpack('>I8', a) < struct.unpack('>I8', b) end

local function others()
  local list = {}
  for _, c in ipairs(claims) do
    if c.who ~= user then
      list[#list + 1] = c.who
      list[#list + 1] = c.version
    end
  end
  return list
end

-- Takes out the user's claims that are so, and tells whether there was one.
local function take(so)
  local kept = {}
  for _, c in ipairs(claims) do
    if c.who ~= user or not so(c.version) then kept[#kept + 1] = c end
  end
  local taken = #kept < #claims
  claims = kept
  return taken
end

-- Not below either is who has taken it from the very claim to restore: the user
-- is being relieved of that claim, which only looks as if it came later.
if op == 'restore' and first and first.who ~= user then
  local keeps = not below(first.version, since)
  for _, c in ipairs(claims) do
    keeps = keeps or c.who == user and not below(c.version, since)
  end
  if keeps then return {2, first.who} end
end

if op == 'claim' or op == 'restore' then
  local list = others()
  if not first or first.who ~= user then
    table.insert(claims, 1, {who = user, version = since})
    write()
  elseif below(first.version, since) then
    first.version = since
    write()
  end
  return list
end

if op == 'drop' then
  local led = first and first.who == user and below(first.version, since)
  if led then
    local list = others()
    claims = {}
    write()
    table.insert(list, 1, 1)
    return list
  end
  if take(function(version) return below(version, since) end) then write() end
  return {first and 0 or 1}
end

if op == 'undo' then
  if take(function(version) return version == since end) then write() end
elseif first and #claims > 1 and first.who == user and first.version == since then
  claims = {first}
  write()
end
return {}
