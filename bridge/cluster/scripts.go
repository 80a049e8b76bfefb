package cluster

import "github.com/redis/go-redis/v9"

// scriptTexts are the scripts by their hash: an error of one names a line of it.
var scriptTexts = make(map[string]string)

// newScript returns a script. It is for variables of the package. A line has one command at
// most, so that an error of the line tells which.
func newScript(text string) *redis.Script {
	s := redis.NewScript(text)
	scriptTexts[s.Hash()] = text
	return s
}

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

// A session of a client is kept as its version, 16 hex digits that compare as text, the
// run_id of the Redis process that was told so, and the body; an empty body tells that the
// session is another bridge's, or changing. One that was acknowledged and then lost with
// the end of the memory, as in a failover, leaves an older one: its run_id is that of a
// process that has gone.

// runID defines run, of 40 characters.
const runID = `
if redis.replicate_commands then redis.replicate_commands() end
local run = string.match(redis.call('INFO', 'server'), 'run_id:(%x+)') or ''
run = string.sub(run .. string.rep('0', 40), 1, 40)
`

// putScript keeps sessions: ARGV[1] is for how many milliseconds, and each key's version
// and body follow. It returns for each the version that is kept where that is later, and
// else nothing.
const putScript = runID + `
local out = {}
for i, key in ipairs(KEYS) do
	local version, kept = ARGV[2 * i], redis.call('GET', key)
	if kept and string.sub(kept, 1, 16) > version then
		out[i] = string.sub(kept, 1, 16)
	else
		redis.call('SET', key, version .. run .. ARGV[2 * i + 1], 'PX', ARGV[1])
		out[i] = ''
	end
end
return out
`

// findScript returns a session's version, 1 where the process that was told so lives, and
// the body.
const findScript = runID + `
local kept = redis.call('GET', KEYS[1])
if not kept then return {} end
return {string.sub(kept, 1, 16), string.sub(kept, 17, 56) == run and 1 or 0, string.sub(kept, 57)}
`

// takeScript empties a session of the version ARGV[2] and gives it the version ARGV[3],
// for ARGV[1] milliseconds. It returns 1 where it did.
const takeScript = runID + `
local kept = redis.call('GET', KEYS[1])
if not kept or string.sub(kept, 1, 56) ~= ARGV[2] .. run or #kept == 56 then return 0 end
redis.call('SET', KEYS[1], ARGV[3] .. run, 'PX', ARGV[1])
return 1
`

// orderScript exchanges the operator's orders: ARGV[1] is for how many milliseconds one is
// kept, ARGV[2] the rank of the caller's, 32 characters that compare as text or nothing,
// and ARGV[3] the order. It returns "put" where that is the newer one, or else the rank and
// the order that is kept.
const orderScript = `
local kept = redis.call('GET', KEYS[1])
if ARGV[2] ~= '' and (not kept or string.sub(kept, 1, 32) < ARGV[2]) then
	redis.call('SET', KEYS[1], ARGV[2] .. ARGV[3], 'PX', ARGV[1])
	return 'put'
end
if not kept then return '' end
redis.call('PEXPIRE', KEYS[1], ARGV[1])
return kept
`
