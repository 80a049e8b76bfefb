package cluster_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"chatbridge/bridge/cluster"
	"chatbridge/internal/throwaway/redistest"
	"chatbridge/mapping/contract"
	"chatbridge/source"
)

// packet is about what a message's is like.
func packet(n int) []byte {
	return []byte(fmt.Sprintf(`42["message",{"id":"0b9c5a1e-3f0a-4c61-8f55-%012d","workspaceId":"00000000-0000-4000-8000-0000000000ff","conversationId":"7d1f0f1e-5a0b-4a86-9e0c-1f2e3d4c5b6a","body":"one of many %d","direction":"in","status":"delivered","type":"text","senderJid":"5511999999999@s.whatsapp.net","createdAt":"2026-11-26T18:00:00.%06dZ","updatedAt":"2026-11-26T18:00:00.%06dZ","media":null,"quoted":null,"reactions":[],"metadata":{}},"%016x-%d"]`, n, n, n%1e6, n%1e6, n, n))
}

// BenchmarkAppend is a leader that is given records as fast as it takes them, until
// Redis has all: Redis is real.
func BenchmarkAppend(b *testing.B) {
	server := redistest.Start(b)
	dial, err := cluster.Redis(server.URL(), "bench", known(history))
	if err != nil {
		b.Fatal(err)
	}
	leader := cluster.NewLeader(cluster.LeaderOptions{
		Dial: dial, Name: "leader", Epoch: epoch, From: 1, Keep: time.Minute, MaxItems: 1 << 30, MaxBytes: 1 << 40,
		Source: func() cluster.SourceState { return cluster.SourceState{Streaming: true, Flowing: true} }, Logger: slog.New(slog.DiscardHandler),
	})
	go func() { _ = leader.Run(b.Context()) }()
	for leader.Stats().Beats == 0 {
		time.Sleep(time.Millisecond)
	}
	r := cluster.Record{
		Event: contract.Message, Workspace: []byte("00000000-0000-4000-8000-0000000000ff"),
		Conversation: []byte("7d1f0f1e-5a0b-4a86-9e0c-1f2e3d4c5b6a"), Key: []byte("0b9c5a1e-3f0a-4c61-8f55-000000000000"), Commit: time.Now(),
	}
	r.Text = bytes.Clone(packet(1))
	b.SetBytes(int64(len(r.Text)))
	b.ReportAllocs()
	b.ResetTimer()
	for i := range b.N {
		leader.Publish(source.Position{Commit: 10, Index: uint32(i + 1)}, r, time.Now())
	}
	for leader.Stats().Waiting > 0 {
		time.Sleep(100 * time.Microsecond)
	}
	b.ReportMetric(float64(b.N)/float64(max(leader.Stats().Entries, 1)), "records/entry")
}
