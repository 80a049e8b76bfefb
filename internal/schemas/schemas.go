// Package schemas holds the database schemas that the presets map, as SQL
// for throw-away databases: the demo and the tests create them. The bridge
// itself never creates an application's table.
package schemas

import _ "embed"

var (
	// CRM creates the CRM's tables in schema public: messages, conversations
	// (replica identity full, in the publication supabase_realtime), contacts,
	// workspace_members, and the trigger that keeps updated_at.
	//
	//go:embed crm.sql
	CRM string

	// ChatEngine creates ChatEngine's own messages and conversations, replica
	// identity default, in no publication.
	//
	//go:embed chatengine.sql
	ChatEngine string

	// Chatwoot and Evolution create the tables of Chatwoot and of Evolution API v2
	// that the presets map, with the columns of their public schemas that matter;
	// replica identity default, in no publication.
	//
	//go:embed chatwoot.sql
	Chatwoot string
	//go:embed evolution.sql
	Evolution string
)
