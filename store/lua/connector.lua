-- Stores a connector, unless what is stored is newer.
--
-- KEYS[1]  the hash of all connectors
-- ARGV[1]  the connector's id
-- ARGV[2]  when it was updated, 8 bytes; all zero: unknown
-- ARGV[3]  its digest of the configuration; empty: the stored one stays
-- ARGV[4]  the rest of the record
-- ARGV[5]  the clock in us, for tests; empty: this server's
-- ARGV[6]  restore: whatever is stored is newer; else empty
-- Returns 0 stale, 1 stored, 2 what is stored is of a newer format.

local zero = '\0\0\0\0\0\0\0\0'

local function micro(time)
  local high, low = struct.unpack('>I4I4', time)
  return (high - 2147483648) * 4294967296 + low
end

local now
if ARGV[5] ~= '' then
  now = tonumber(ARGV[5])
else
  local t = redis.call('TIME')
  now = t[1] * 1000000 + t[2]
end

local stored, digest = zero, ''
local record = redis.call('HGET', KEYS[1], ARGV[1])
if record then
  if ARGV[6] == 'restore' then return 0 end
  if string.byte(record) ~= 1 then return 2 end
  local size
  stored, size = struct.unpack('>c8I4', record, 2)
  digest = string.sub(record, 14, 13 + size)
end

local at = ARGV[2]
if at == zero then
  at = stored
else
  local us = micro(at)
  if us > now + 3600000000 then
    us = now
    at = struct.pack('>I4I4', math.floor(now / 4294967296) + 2147483648, now % 4294967296)
  end
  if us < micro(stored) then return 0 end
end
if ARGV[3] ~= '' then digest = ARGV[3] end
redis.call('HSET', KEYS[1], ARGV[1], '\1' .. at .. struct.pack('>I4', #digest) .. digest .. ARGV[4])
return 1
