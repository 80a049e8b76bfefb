package ops

// sendMetrics are those of messages that clients send.
func sendMetrics() []family {
	out := []family{
		countersBy("send_requests_total", "Messages that clients sent, by what became of them: sent, pending (stored for whoever sends them), again (a repetition, not sent again), or the code of the failure (docs/sending.md).", "result",
			func(s *Snapshot) map[string]uint64 { return s.Send.Results }),
		countersBy("send_reads_total", "Conversations that clients marked as read, by what became of it: done, or the code of the refusal.", "result",
			func(s *Snapshot) map[string]uint64 { return s.Send.Reads }),
	}
	return append(out, when(func(s *Snapshot) bool { return s.sends() }, there(
		"unless `send.mode` is `refuse`",
		gauge("send_in_flight", "Messages that are being sent.",
			func(s *Snapshot) float64 { return float64(s.Send.InFlight) }),
		gauge("send_ready", "1 while messages can be sent.",
			func(s *Snapshot) float64 { return truth(s.Send.Ready) }),
		gauge("send_unsettled", "Messages that were told as failed in the last hour, and whose row has not come.",
			func(s *Snapshot) float64 { return float64(s.Send.Unsettled) }),
		counter("send_begun_total", "Messages that were given to the function or the outbox.",
			func(s *Snapshot) uint64 { return s.Send.Begun }),
		counters("send_seconds_total", "Time that the function or the outbox took.", nil,
			func(s *Snapshot, e emit) { e(s.Send.Spent.Seconds()) }),
		counter("send_reconciled_total", "Messages whose row came although the function's answer did not.",
			func(s *Snapshot) uint64 { return s.Send.Reconciled }),
	)...)...)
}
