package mutants

// mapper: what is remembered, and when it is not to be believed.
var mapper = []Mutant{
	{
		Name: "mapper: rows are remembered over a gap", Why: "conversations go out with a contact or a last message that changed unseen",
		File: "mapping/engine/memory.go", Package: "mapping/engine", Tests: []string{"TestForget"},
		Old: "\tm.forgetRows()\n", New: "",
	},
	{
		Name: "mapper: states of messages are remembered over a gap", Why: "a change back to the state before the gap is taken for none",
		File: "mapping/engine/memory.go", Package: "mapping/engine", Tests: []string{"TestForgetDropsStates"},
		Old: "\tm.forgetRows()\n\tm.fingerprints.init(m.fingerprints.width, m.fingerprints.limit)\n", New: "\tm.forgetRows()\n",
	},
	{
		Name: "mapper: a cut transaction leaves its memory", Why: "what comes again seems unchanged, and makes no event",
		File: "mapping/engine/mapper.go", Package: "mapping/engine", Tests: []string{"TestTransactionComesAgain"},
		Old: "\tif m.tx.restarted {\n\t\tm.forget()\n\t}\n", New: "",
	},
	{
		Name: "mapper: a deleted conversation is still due", Why: "an event tells of a conversation that is gone",
		File: "mapping/engine/batch.go", Package: "mapping/engine", Tests: []string{"TestDeletedConversationIsNotDue"},
		Old: `b.touched[i].due, b.touched[i].preview = false, false`, New: `b.touched[i].due, b.touched[i].preview = true, false`,
	},
	{
		Name: "mapper: a later row of a transaction takes the conversation's event back", Why: "the list does not show the new message",
		File: "mapping/engine/batch.go", Package: "mapping/engine", Tests: []string{"TestOneConversationEventForATransaction"},
		Old: `t.due = t.due || due`, New: `t.due = due`,
	},
	{
		Name: "mapper: a look-up overrules the stream", Why: "an event tells of a state that is committed later",
		File: "mapping/engine/memory.go", Package: "mapping/engine", Tests: []string{"TestLookupsDoNotOverruleTheStream"},
		Old: "\tif r != nil && r.streamed && !r.absent {\n\t\t// Of a row", New: "\tif r != nil && r.streamed && r.absent {\n\t\t// Of a row",
	},
	{
		Name: "mapper: an older message becomes the newest", Why: "an import of old messages changes every last message",
		File: "mapping/engine/memory.go", Package: "mapping/engine", Tests: []string{"TestAnOldMessageIsNotTheNewest"},
		Old: `r.order > order && (!m.plan.InsertedOnly || m.tx.late || r.tx == m.tx.seq)`, New: `r.order > order && r.tx == m.tx.seq`,
	},
	{
		Name: "mapper: a deleted message stays the newest", Why: "the list shows a message that is gone",
		File: "mapping/engine/memorydrop.go", Package: "mapping/engine", Tests: []string{"TestDeletedMessageIsNotTheNewest"},
		Old: "\t\t\tm.dropNewest(rowKey{key.workspace, conv}, key.key)\n", New: "",
	},
	{
		Name: "mapper: events overtake those that wait for a look-up", Why: "a status comes before its message",
		File: "mapping/engine/send.go", Package: "mapping/engine", Tests: []string{"TestOneLookupForATransaction"},
		Old: "\tif len(s.batch.waiting) > 0 {\n", New: "\tif len(s.batch.waiting) > 1<<20 {\n",
	},
	{
		Name: "mapper: a failed look-up says that there is nothing", Why: "a contact that could not be asked for has no name until it is asked for again",
		File: "mapping/engine/fetch.go", Package: "mapping/engine", Tests: []string{"TestFailedLookupIsNoAnswer"},
		Old: "\tcase errors.Is(r.err, context.DeadlineExceeded):\n", New: "\tcase errors.Is(r.err, context.DeadlineExceeded):\n\t\tr.rememberAbsent(found)\n",
	},
	{
		Name: "mapper: a full batch loses its indexes", Why: "two events of a large transaction have one position, and the second is dropped as known",
		File: "mapping/engine/batch.go", Package: "mapping/engine", Tests: []string{"TestLargeTransaction"},
		Old: `b.base = b.relatedIndex() + RelatedLimit*b.referenceRows`, New: `b.base = b.conversationIndex() + RelatedLimit*b.referenceRows`,
	},
	{
		Name: "mapper: the client's id is not used", Why: "after a failover the CRM's own messages get no ticks",
		File: "mapping/engine/send.go", Package: "mapping/engine", Tests: []string{"TestStatusUnderEveryName"},
		Old: "\tfor n := range s.plan.Names {\n\t\tif !", New: "\tfor n := range min(len(s.plan.Names), 1) {\n\t\tif !",
	},
	{
		Name: "mapper: the provider's id is not used", Why: "after a failover a client finds no message for the status",
		File: "mapping/engine/render.go", Package: "mapping/engine", Tests: []string{"TestOwnSendsEvents"},
		Old: "return len(r.other) <= r.env.Most", New: "return len(r.other) < 0",
	},
	{
		Name: "mapper: every message counts as the newest", Why: "a clean-up of old messages sends each conversation again and again",
		File: "mapping/engine/preview.go", Package: "mapping/engine", Tests: []string{"TestOldMessagesAreDeleted"},
		Old: "return newest.order <= t.previewOrder, false", New: "return true, false",
	},
	{
		Name: "mapper: a message that is gone is believed to be the newest", Why: "the preview shows what was deleted",
		File: "mapping/engine/unseen.go", Package: "mapping/engine", Tests: []string{"TestPreviewIsOwed"},
		Old: "if !left || r.messageOrder(found, firstOrder) <= now {", New: "if !left || now >= firstOrder {",
	},
	{
		Name: "mapper: in its second coming a change counts as none", Why: "an edit of a message in a transaction that was cut short is lost",
		File: "mapping/engine/compare.go", Package: "mapping/engine", Tests: []string{"TestTransactionComesAgain"},
		Old: `of == unknown && (c.tx.restarted || unknownChanged)`, New: `of == unknown && unknownChanged`,
	},
	{
		Name: "mapper: a private note is the newest message", Why: "everybody reads it in the list of conversations",
		File: "mapping/engine/message.go", Package: "mapping/engine", Tests: []string{"TestMessagesAreLeftOut"},
		Old: "\t\t\tm.report.skip(skipWhere)\n\t\t\treturn nil\n\t\t}\n\t\tm.insertedFit", New: "\t\t\tm.report.skip(skipWhere)\n\t\t}\n\t\tm.insertedFit",
	},
	{
		Name: "mapper: a message that is left out from now on stays the preview", Why: "the list shows what became a private note",
		File: "mapping/engine/where.go", Package: "mapping/engine", Tests: []string{"TestMessagesAreLeftOut"},
		Old: "\tif f.before != leftOut && f.now != fits {\n", New: "\tif false {\n",
	},
	{
		Name: "mapper: a message that is let through later is an UPDATE", Why: "what was a private note before never comes, for nothing that is shown changed",
		File: "mapping/engine/where.go", Package: "mapping/engine", Tests: []string{"TestMessagesAreLeftOut"},
		Old: "\tchange.other = true\n", New: "",
	},
	{
		Name: "mapper: a condition whose value was not sent holds", Why: "a private note is sent because nobody knows that it is one",
		File: "mapping/engine/where.go", Package: "mapping/engine", Tests: []string{"TestUnsentConditionSendsNothing"},
		Old: "\tif r.env.Unsent != 0 {\n", New: "\tif false {\n",
	},
	{
		Name: "mapper: the newest message is looked up without the condition", Why: "the preview is a private note whenever it is looked up",
		File: "mapping/lookup/statements.go", Package: "mapping/lookup", Tests: []string{"TestNewestIsWanted"},
		Old: `by, b.wanted("m"), by,`, New: `by, "", by,`,
	},
	{
		Name: "mapper: a look-up of attachments overrules the stream", Why: "an attachment that was just inserted, and is not visible to others yet, is lost",
		File: "mapping/engine/many.go", Package: "mapping/engine", Tests: []string{"TestAttachmentsAreAsTheStreamHasThem"},
		Old: "\tif len(streamed) == 0 {\n", New: "\tif true {\n",
	},
	{
		Name: "mapper: attachments that could not be looked up are given up", Why: "a picture that came while the tables were locked is never shown",
		File: "mapping/engine/many.go", Package: "mapping/engine", Tests: []string{"TestMessageWithAttachmentsIsOwed"},
		Old: "\t\ts.owed.add(contract.Message, plan.MessageTable, id, nil, nil)\n", New: "",
	},
	{
		Name: "mapper: an inserted message has its attachments looked up", Why: "every message costs a look-up, of rows that the stream has",
		File: "mapping/engine/message.go", Package: "mapping/engine", Tests: []string{"TestAttachmentsAreAsTheStreamHasThem"},
		Old: "\t\tif m.plan.Many {\n", New: "\t\tif false {\n",
	},
	{
		Name: "mapper: what is read back counts as the newest", Why: "a preview goes back to an older message, and stays there",
		File: "mapping/engine/where.go", Package: "mapping/engine", Tests: []string{"TestLateMessageIsNotTheNewest"},
		Old: "\t\treturn c == nil\n", New: "\t\treturn false\n",
	},
	{
		Name: "mapper: of two messages of one time the later read is the newest", Why: "a preview shows another message than the table has last",
		File: "mapping/engine/where.go", Package: "mapping/engine", Tests: []string{"TestLateMessageIsNotTheNewest"},
		Old: "return c.order == m.memory", New: "return false && c.order == m.memory",
	},
	{
		Name: "mapper: a conversation that is read back has no messages yet", Why: "its preview shows the first that is read back, over newer ones",
		File: "mapping/engine/memory.go", Package: "mapping/engine", Tests: []string{"TestLateMessageIsNotTheNewest"},
		Old: "op == source.Insert && !m.tx.late &&", New: "op == source.Insert &&",
	},
	{
		Name: "mapper: what is read back is shown as inserted now", Why: "the preview goes back to an older message",
		File: "mapping/engine/memory.go", Package: "mapping/engine", Tests: []string{"TestLateMessageIsNotShownOverALaterOne"},
		Old: "!m.plan.InsertedOnly || m.tx.late ||", New: "!m.plan.InsertedOnly ||",
	},
	{
		Name: "reconcile: what is read back is not told from the stream", Why: "the preview goes back to an older message, and stays there",
		File: "source/reconcile/changes.go", Package: "bridge", Tests: []string{"TestReadBackPreview"},
		Old: "Op: source.Insert, Relation: r.Relation, Late: true", New: "Op: source.Insert, Relation: r.Relation, Late: false",
	},
}
