package cluster

// The scripts run as one step each. KEYS[1] is the stream of the epoch, ARGV[1] what
// its last ID must be, ARGV[2] for how many milliseconds the keys are kept.

// lastID defines last(), the ID of the last entry.
const lastID = `
local function last()
	local e = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)
	if #e == 0 then return '0-0' end
	return e[1][1]
end
local at = last()
if at ~= ARGV[1] then return at end
`

// appendScript: ARGV[3] is 1 to replace all, ARGV[4] the ID before which entries are
// forgotten, ARGV[5] the new one's and ARGV[6] the entry; both are missing for none.
const appendScript = lastID + `
if ARGV[3] == '1' or at == '0-0' then redis.call('DEL', KEYS[1]) end
if ARGV[5] == nil then return '0-0' end
redis.call('XADD', KEYS[1], 'MINID', '~', ARGV[4], ARGV[5], 'e', ARGV[6])
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return ARGV[5]
`

// beatScript: KEYS[2] is the stream of the beats, ARGV[3] the ID before which entries
// are forgotten, ARGV[4] the beat; ARGV[5] names the epoch, ARGV[6] is the last ID and
// ARGV[7] how far the beat goes, both of fixed width, so that they compare as text.
const beatScript = lastID + `
if at ~= '0-0' then
	redis.call('XTRIM', KEYS[1], 'MINID', ARGV[3])
	redis.call('PEXPIRE', KEYS[1], ARGV[2])
end
local through = ARGV[7]
local before = redis.call('XREVRANGE', KEYS[2], '+', '-', 'COUNT', 1)
if #before > 0 then
	local f = {}
	for i = 1, #before[1][2], 2 do f[before[1][2][i]] = before[1][2][i + 1] end
	if f['e'] == ARGV[5] and f['l'] <= ARGV[6] and f['t'] > through then through = f['t'] end
end
redis.call('XADD', KEYS[2], 'MAXLEN', 1, '*', 'b', ARGV[4], 'e', ARGV[5], 'l', ARGV[6], 't', through)
redis.call('PEXPIRE', KEYS[2], ARGV[2])
return at
`
