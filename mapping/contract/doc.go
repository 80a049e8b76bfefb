// Package contract is the part of the /api/ws contract that rows make: the four
// events, as they are routed (Event) and as JSON (the payload types). It imports
// nothing of this module, so that the hub and the replay log, which pass events on,
// need not know how they are made.
package contract
