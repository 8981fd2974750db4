-- What happens to a visitor: it looks at a page or says its email, it turns out who it
-- is, it is forgotten.
--
-- KEYS[1]  the visitor's record (docs/decisions/0012-redis-layout.md)
-- KEYS[2]  when it was erased: what it did before is to be forgotten
-- KEYS[3]  the views of the person that it is, by time
-- KEYS[4]  join, erase: the views of the user, while the visitor is somebody else
-- KEYS[5]  join: where to keep those of the former user, if one is named
-- ARGV[1]  visit, join, erase
-- ARGV[2]  when, in us
-- ARGV[3]  life of what is written in ms
-- ARGV[4]  what is older, in us, is to be forgotten
-- visit:
--   ARGV[5]  what stands for the view's id, 6 bytes; empty: it is no view
--   ARGV[6]  the view: what comes after its head
--   ARGV[7]  its time, in us
--   ARGV[8]  how long a visitor may rest in a session, in us
--   ARGV[9]  how many views are kept
--   ARGV[10] the email; empty: none
-- join:
--   ARGV[5]  the user
--   ARGV[6]  the former user, as the answer before this has named it; empty: not yet
-- erase:
--   ARGV[5]  the user; empty: the visitor, whoever it is
--   ARGV[6]  life of KEYS[2] in ms
-- Returns {status, user}: status 0 it is to be forgotten, or was there before, or to erase,
-- the visitor is somebody else and stays; 1 done; 2 the record is of a newer format, 3 the visitor is that user so far: call again with its
-- keys. Of visit, user is the one that the visitor is; not there: what it did is to be
-- forgotten.

local op, when, at, life, oldest = ARGV[1], ARGV[2], tonumber(ARGV[2]), ARGV[3], tonumber(ARGV[4])
local most = 64 -- ids of views that are remembered

local record = redis.call('GET', KEYS[1])
if record and string.byte(record) ~= 1 then return {2} end
local v = {first = at, last = at, emailAt = 0, views = 0, session = 0, viewAt = 0, user = '', email = '', ids = '', view = ''}
local known = record
if record then
  local first, last, emailAt, views, session, viewAt, user, email, ids = struct.unpack('>I8I8I8I4I8I8I4I4I4', record, 2)
  known = last >= oldest
  if known then
    v = {first = first, last = last, emailAt = emailAt, views = views, session = session, viewAt = viewAt}
    local from = 58
    v.user, from = string.sub(record, from, from + user - 1), from + user
    v.email, from = string.sub(record, from, from + email - 1), from + email
    v.ids, from = string.sub(record, from, from + ids - 1), from + ids
    v.view = string.sub(record, from)
  end
end

local function write()
  redis.call('SET', KEYS[1], '\1' .. struct.pack('>I8I8I8I4I8I8I4I4I4', v.first, v.last, v.emailAt, v.views, v.session,
    v.viewAt, #v.user, #v.email, #v.ids) .. v.user .. v.email .. v.ids .. v.view, 'PX', life)
end

if op == 'erase' then
  local erased = 0
  if ARGV[5] == '' or v.user == '' or v.user == ARGV[5] then
    redis.call('UNLINK', KEYS[1], KEYS[3])
    redis.call('SET', KEYS[2], '\1' .. when, 'PX', ARGV[6])
    erased = 1
  end
  redis.call('UNLINK', KEYS[4])
  return {erased}
end

local erased = redis.call('GET', KEYS[2])
if erased and string.byte(erased) ~= 1 then return {2} end
if erased and at < tonumber(string.sub(erased, 2)) then return {0} end
if not known then redis.call('UNLINK', KEYS[3]) end -- whose they were is not known any more

if op == 'join' then
  local user = ARGV[5]
  if v.user ~= '' and v.user ~= user then
    if v.user ~= ARGV[6] then return {3, v.user} end
    if redis.call('EXISTS', KEYS[3]) == 1 then redis.call('RENAME', KEYS[3], KEYS[5]) end
    if redis.call('EXISTS', KEYS[4]) == 1 then redis.call('RENAME', KEYS[4], KEYS[3]) end
    v.email, v.emailAt, v.view, v.viewAt, v.session = '', 0, '', 0, 0 -- the former user's
  end
  v.user = user
  v.first, v.last = math.min(v.first, at), math.max(v.last, at)
  write()
  return {1, user}
end

-- Whether one of the ids is this one: they stand side by side, 6 bytes each.
local function seen(ids, id)
  local at = string.find(ids, id, 1, true)
  while at do
    if (at - 1) % 6 == 0 then return true end
    at = string.find(ids, id, at + 1, true)
  end
  return false
end

local id, email = ARGV[5], ARGV[10]
if id ~= '' then
  if seen(v.ids, id) then return {0, v.user} end
  local viewed = tonumber(ARGV[7])
  v.ids = string.sub(v.ids .. id, -6 * most)
  v.views = v.views + 1
  local session = viewed -- named after its first view
  if v.view ~= '' and math.abs(viewed - v.viewAt) <= tonumber(ARGV[8]) then session = v.session end
  local view = '\1' .. struct.pack('>I4I8', v.views, session) .. ARGV[6]
  if viewed >= v.viewAt then v.viewAt, v.session, v.view = viewed, session, view end
  redis.call('ZADD', KEYS[3], ARGV[7], view)
  redis.call('ZREMRANGEBYSCORE', KEYS[3], '-inf', '(' .. ARGV[4])
  redis.call('ZREMRANGEBYRANK', KEYS[3], 0, -1 - tonumber(ARGV[9]))
  redis.call('PEXPIRE', KEYS[3], life)
end
if email ~= '' and at >= v.emailAt then v.email, v.emailAt = email, at end
v.first, v.last = math.min(v.first, at), math.max(v.last, at)
write()
return {1, v.user}
