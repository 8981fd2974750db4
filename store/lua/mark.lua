-- Notes when something happened last to a connector.
--
-- KEYS[1]  the hash of its marks (docs/decisions/0012-redis-layout.md)
-- ARGV[1]  life of the hash in ms
-- then for each mark
--   its name
--   when, in us
--   how often since
-- Returns 0.

for i = 2, #ARGV, 3 do
  local name = ARGV[i]
  local at = redis.call('HGET', KEYS[1], name)
  if not at or tonumber(at) < tonumber(ARGV[i + 1]) then
    redis.call('HSET', KEYS[1], name, ARGV[i + 1])
  end
  redis.call('HINCRBY', KEYS[1], name .. '+', ARGV[i + 2])
end
redis.call('PEXPIRE', KEYS[1], ARGV[1])
return 0
