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

// lastOf defines lastOf(key), the last entry of a stream, nil for none. What is in its place
// and is no stream was written by no bridge, and is removed. A command whose error is not
// expected is run again, by call, with which the error names the line.
const lastOf = `
local function lastOf(key)
	local e = redis.pcall('XREVRANGE', key, '+', '-', 'COUNT', 1)
	if e.err and string.find(e.err, 'WRONGTYPE', 1, true) then
		redis.call('DEL', key)
		return nil
	end
	if e.err then
		e = redis.call('XREVRANGE', key, '+', '-', 'COUNT', 1)
	end
	return e[1]
end
local function refusesID(answer)
	return type(answer) == 'table' and answer.err and
		(string.find(answer.err, 'smaller', 1, true) or string.find(answer.err, 'exhausted', 1, true))
end
`

// lastID ends the script where the stream's last ID is another one.
const lastID = lastOf + `
local function last()
	local e = lastOf(KEYS[1])
	return e and e[1] or '0-0'
end
local at = last()
if at ~= ARGV[1] then return at end
`

// appendScript: ARGV[3] is 1 to replace all, ARGV[4] the ID before which entries are
// forgotten, ARGV[5] the new one's and ARGV[6] the entry; both are missing for none. The
// answer is "taken" where the stream had a later ID once, whose entry was deleted.
const appendScript = lastID + `
if ARGV[3] == '1' or at == '0-0' then redis.call('DEL', KEYS[1]) end
if ARGV[5] == nil then return '0-0' end
local added = redis.pcall('XADD', KEYS[1], 'MINID', '~', ARGV[4], ARGV[5], 'e', ARGV[6])
if refusesID(added) then return 'taken' end
if type(added) == 'table' and added.err then
	redis.call('XADD', KEYS[1], 'MINID', '~', ARGV[4], ARGV[5], 'e', ARGV[6])
end
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return ARGV[5]
`

// beatScript: KEYS[2] is the stream of the beats, ARGV[3] the ID before which entries
// are forgotten, ARGV[4] the beat; ARGV[5] names the epoch, ARGV[6] is the last ID and
// ARGV[7] how far the beat goes, both of fixed width, so that they compare as text. It
// returns the last ID and how far the beat goes now.
const beatScript = lastID + `
if at ~= '0-0' then
	redis.call('XTRIM', KEYS[1], 'MINID', ARGV[3])
	redis.call('PEXPIRE', KEYS[1], ARGV[2])
end
local through = ARGV[7]
local before = lastOf(KEYS[2])
if before then
	local f = {}
	for i = 1, #before[2], 2 do f[before[2][i]] = before[2][i + 1] end
	local l, t = f['l'] or '', f['t'] or ''
	if f['e'] == ARGV[5] and l <= ARGV[6] and #t == 20 and string.match(t, '^%d+$') and t > through then through = t end
end
local function add()
	return redis.pcall('XADD', KEYS[2], 'MAXLEN', 1, '*', 'b', ARGV[4], 'e', ARGV[5], 'l', ARGV[6], 't', through)
end
local added = add()
if refusesID(added) then
	redis.call('DEL', KEYS[2])
	added = add()
end
if type(added) == 'table' and added.err then
	redis.call('XADD', KEYS[2], 'MAXLEN', 1, '*', 'b', ARGV[4], 'e', ARGV[5], 'l', ARGV[6], 't', through)
end
redis.call('PEXPIRE', KEYS[2], ARGV[2])
return at .. ' ' .. through
`

// A session of a client is kept as its version, 16 hex digits that compare as text, whose
// memory was told so, and the body; an empty body tells that the session is another
// bridge's, or changing. One that was acknowledged and then lost with the end of the
// memory, as in a failover, leaves an older one, that another memory was told.

// runID defines run, the memory, of 40 characters: one process, from when it became the
// master, because others may have been told more between, and lost it. In a Redis Cluster
// it is another one too when the slot has come back: a server that is given a slot has a
// new epoch. And get(key): what is kept there, nil for nothing, and for what no bridge has
// written.
const runID = `
local hex = string.rep('%x', 16)
local function get(key)
	local kept = redis.pcall('GET', key)
	if type(kept) == 'table' and kept.err and not string.find(kept.err, 'WRONGTYPE', 1, true) then
		kept = redis.call('GET', key)
	end
	if type(kept) ~= 'string' or not string.match(kept, '^' .. hex) then return nil end
	return kept
end
if redis.replicate_commands then redis.replicate_commands() end
local server = redis.call('INFO', 'server')
local run = (string.match(server, 'run_id:(%x+)') or '') .. (string.match(redis.call('INFO', 'replication'), 'master_replid:(%x+)') or '')
if string.find(server, '_mode:cluster', 1, true) then
	run = run .. (string.match(redis.call('CLUSTER', 'INFO'), 'cluster_my_epoch:(%d+)') or '')
end
run = redis.sha1hex(run)
`

// putScript keeps sessions: ARGV[1] is for how many milliseconds, and each key's version
// and body follow. It returns for each the version that is kept where that is later, and
// else nothing. One that is emptied comes alone: a script that has written something may go on
// to write where Redis is full.
const putScript = runID + `
local out = {}
for i, key in ipairs(KEYS) do
	local version, kept = ARGV[2 * i], get(key)
	if kept and string.sub(kept, 1, 16) > version then
		out[i] = string.sub(kept, 1, 16)
	else
		if ARGV[2 * i + 1] == '' and #KEYS == 1 then redis.call('DEL', key) end
		redis.call('SET', key, version .. run .. ARGV[2 * i + 1], 'PX', ARGV[1])
		out[i] = ''
	end
end
return out
`

// findScript returns a session's version, 1 where the process that was told so lives, and
// the body.
const findScript = runID + `
local kept = get(KEYS[1])
if not kept then return {} end
return {string.sub(kept, 1, 16), string.sub(kept, 17, 56) == run and 1 or 0, string.sub(kept, 57)}
`

// takeScript empties a session of the version ARGV[2] and gives it the version ARGV[3],
// for ARGV[1] milliseconds. It returns 1 where it did.
const takeScript = runID + `
local kept = get(KEYS[1])
if not kept or string.sub(kept, 1, 56) ~= ARGV[2] .. run or #kept == 56 then return 0 end
redis.call('SET', KEYS[1], ARGV[3] .. run, 'PX', ARGV[1])
return 1
`

// emptyScript empties sessions up to the version that follows for each, for ARGV[1] milliseconds,
// also where Redis is full.
const emptyScript = runID + `
for i, key in ipairs(KEYS) do
	local version, kept = ARGV[i + 1], get(key)
	if kept and #kept > 56 and string.sub(kept, 1, 16) <= version then
		redis.call('DEL', key)
		redis.call('SET', key, version .. run, 'PX', ARGV[1])
	end
end
return 1
`

// orderScript exchanges the operator's orders: ARGV[1] is for how many milliseconds one is
// kept, ARGV[2] the rank of the caller's, 32 characters that compare as text or nothing,
// and ARGV[3] the order. It returns "put" where that is the newer one, or else the rank and
// the order that is kept. What is in its place and has no rank is removed.
const orderScript = `
local kept = redis.pcall('GET', KEYS[1])
if type(kept) == 'table' and kept.err and not string.find(kept.err, 'WRONGTYPE', 1, true) then
	kept = redis.call('GET', KEYS[1])
end
if kept and (type(kept) ~= 'string' or not string.match(kept, '^' .. string.rep('%x', 32))) then
	redis.call('DEL', KEYS[1])
	kept = false
end
if ARGV[2] ~= '' and (not kept or string.sub(kept, 1, 32) < ARGV[2]) then
	redis.call('SET', KEYS[1], ARGV[2] .. ARGV[3], 'PX', ARGV[1])
	return 'put'
end
if not kept then return '' end
redis.call('PEXPIRE', KEYS[1], ARGV[1])
return kept
`
