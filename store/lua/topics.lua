-- Steps on a user's record that a change of topics takes, after put.lua and
-- topic.lua. Each does something only while the record is as the caller knows
-- it: its topics claimed with that version.
--
-- KEYS[1]  the user's record (docs/decisions/0012-redis-layout.md)
-- ARGV[1]  8 bytes: the version
-- ARGV[2]  confirm: only to tell whether the record is so, and names a topic
--          done: what the change takes has been done
--          lose: the user loses a topic
-- ARGV[3]  confirm, lose: the topic
-- ARGV[4]  lose: the user that it leads to now
-- ARGV[5]  lose: PUBLISH or SPUBLISH; empty: nobody is told
-- ARGV[6]  lose: the user's channel
-- Returns 1 when the record is so, and named the topic if there is one; else 0; for
-- done -1 when there is no record any more.

local head = redis.call('GETRANGE', KEYS[1], 0, 29)
if head == '' and ARGV[2] == 'done' then return -1 end
if head == '' or string.byte(head) ~= 1 or string.sub(head, 19, 26) ~= ARGV[1] then return 0 end
if ARGV[2] == 'done' then
  redis.call('SETRANGE', KEYS[1], 1, '\0')
  return 1
end

local record = redis.call('GET', KEYS[1])
local first, last = 31, 30 + struct.unpack('>I4', record, 27)
while first <= last do
  local size, scale, at, byte = 0, 1, first
  repeat -- the length, seven bits a byte, the lowest first
    byte = string.byte(record, at)
    size = size + byte % 128 * scale
    scale, at = scale * 128, at + 1
  until byte < 128
  if string.sub(record, at, at + size - 1) == ARGV[3] then
    if ARGV[2] == 'confirm' then return 1 end
    local topics = string.sub(record, 31, first - 1) .. string.sub(record, at + size, last)
    redis.call('SET', KEYS[1], string.sub(record, 1, 26) .. struct.pack('>I4', #topics) .. topics
      .. string.sub(record, last + 1), 'KEEPTTL')
    if ARGV[5] ~= '' then
      redis.call(ARGV[5], ARGV[6], '\1l' .. struct.pack('>I4', #ARGV[3]) .. ARGV[3] .. ARGV[4])
    end
    return 1
  end
  first = at + size
end
return 0
