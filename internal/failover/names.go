package failover

import (
	"fmt"
	"strings"

	"chatbridge/internal/chatengine"
)

// Conversation is one that the writer writes to.
type Conversation struct {
	ID, Workspace string
	// Number is its place among the world's, in the names of its messages.
	Number int
}

// A message's name is unique in a world: r00-c00-000000 is of the round, the
// conversation and a counter. It is the key in ChatEngine's own tables, and
// WhatsApp's id in the CRM's.
func messageName(round string, c Conversation, n int) string {
	return fmt.Sprintf("%s-c%02d-%06d", round, c.Number, n)
}

// The ids in the CRM's tables are uuids, one range for each table.
const (
	workspaceIDs    = "00000000-0000-4000-9000-%012d"
	conversationIDs = "00000000-0000-4000-a000-%012d"
	userIDs         = "00000000-0000-4000-b000-%012d"
	contactIDs      = "00000000-0000-4000-c000-%012d"
	messageIDs      = "00000000-0000-4000-8000-%s%s00%s"
)

// rowID is the key of the CRM's row of a message, made of its name so that
// whoever has one knows the other.
func rowID(name string) string {
	part := strings.Split(name, "-")
	return fmt.Sprintf(messageIDs, part[0][1:], part[1][1:], part[2])
}

// WorkspaceID, ConversationID and UserID are the nth ids of a world, from 0, in
// the tables of ChatEngine's form.
func WorkspaceID(f chatengine.Form, n int) string {
	return pick(f, fmt.Sprintf("w%d", n+1), fmt.Sprintf(workspaceIDs, n))
}

func ConversationID(f chatengine.Form, n int) string {
	return pick(f, fmt.Sprintf("c%02d", n), fmt.Sprintf(conversationIDs, n))
}

func UserID(f chatengine.Form, n int) string {
	return pick(f, fmt.Sprintf("user-%d", n), fmt.Sprintf(userIDs, n))
}

func pick(f chatengine.Form, agreeing, real string) string {
	if f == chatengine.Agreeing {
		return agreeing
	}
	return real
}
