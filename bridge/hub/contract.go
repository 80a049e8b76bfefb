package hub

import "time"

// Namespace is the Socket.IO namespace of the contract.
const Namespace = "/"

// GapEvent tells a client that it is not given every event of a stretch of time:
// {since?, until, conversationId?, reload?}. The times are those of publication; since
// is left out where it is not known. With a conversationId the gap is in that
// conversation alone. reload tells that the database has another history: what the
// client shows may no longer exist. The event comes before whatever follows the
// gap, so a client that received a later offset has been told.
const GapEvent = "gap"

// ContractTime prints a time as JavaScript's toISOString does.
func ContractTime(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }
