package api_test

import (
	"testing"
	"time"
)

// TestClientsAreListedAndClosed: who is connected, what each was sent, and nothing by which
// somebody could act for it. One that is closed is gone, and the others stay.
func TestClientsAreListedAndClosed(t *testing.T) {
	t.Parallel()
	server, url := startNamed(t)
	before := time.Now()
	ana, ben := join(t, url, "w1/ana/1h", ""), join(t, url, "w2/ben/1h", "")
	byUser := map[string]int{}
	list := server.Clients()
	for i, c := range list {
		byUser[c.User] = i
		if c.Address.String() != "127.0.0.1" || c.Transport != "websocket" || c.Connected.Before(before) || c.Connected.After(time.Now()) {
			t.Errorf("%+v", c)
		}
	}
	i, ok := byUser["ana"]
	if len(list) != 2 || !ok || list[i].Workspace != "w1" || list[i].ID != ana.SID || list[i].Sent == 0 {
		t.Fatalf("%+v", list)
	}
	for _, c := range list {
		for _, secret := range []string{ana.PID, ben.PID} {
			if c.ID == secret {
				t.Error("the list has a private id")
			}
		}
	}
	ana.alive()
	for _, c := range server.Clients() {
		if c.User == "ana" && c.Sent <= list[i].Sent {
			t.Errorf("sent %d, and %d before the answer", c.Sent, list[i].Sent)
		}
	}
	if server.CloseClient("nobody") || server.CloseClient(ana.PID) {
		t.Error("closed who is not there")
	}
	if !server.CloseClient(ana.SID) {
		t.Fatal("ana is not there")
	}
	ana.ended() // without a DISCONNECT: it comes back
	ben.alive()
}
