package realtime_test

import (
	"testing"

	"chatbridge/source"
	"chatbridge/source/realtime"
)

func TestChangesComeByTheStream(t *testing.T) {
	t.Parallel()
	p := start(t, setup{})
	p.settled()
	id := p.message("olá \"mundo\"\n\\", "sending")
	p.awaitRow("public.messages", id, "status", "sending")
	p.status(id, "sent")
	p.awaitRow("public.messages", id, "status", "sent")
	p.sql("delete from messages where id = $1", id)
	p.rec.until(waitLimit, func() bool { return p.rec.rows["public.messages/"+id] == nil })

	got := p.rec.of("public.messages", id)
	if len(got) != 3 || got[0].op != source.Insert || got[1].op != source.Update || got[2].op != source.Delete {
		t.Fatalf("got %d changes: %+v", len(got), got)
	}
	ins, upd := got[0], got[1]
	if ins.old != nil || ins.row["body"] != "olá \"mundo\"\n\\" || ins.row["is_outgoing"] != "true" || ins.row["media_url"] != "<null>" {
		t.Errorf("insert: %+v", ins)
	}
	if upd.old["status"] != "sending" || upd.row["status"] != "sent" || upd.old["body"] != upd.row["body"] {
		t.Errorf("update: %+v", upd)
	}
	if upd.rel != p.rec.of("public.messages", id)[1].rel || len(upd.rel.Columns) != 25 {
		t.Errorf("relation: %+v", upd.rel)
	}
	st := p.src.Stats()
	if st.State != realtime.StateLive || st.Streamed == 0 || len(st.Channels) != 2 || st.Channels[0].State != realtime.ChannelLive {
		t.Errorf("stats: %+v", st)
	}
	for _, reason := range []string{"lost_insert", "lost_update", "missed"} {
		if st.Gaps[reason] != 0 {
			t.Errorf("nothing was lost, yet gaps are %v", st.Gaps)
		}
	}
	p.rec.check(t)
}
