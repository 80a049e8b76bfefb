package ops

import "chatbridge/bridge/gateway"

func gatewayMetrics() []family {
	return when(
		func(s *Snapshot) bool { return s.Gateway != nil },
		append(gatewayStateMetrics(), gatewayTrafficMetrics()...)...,
	)
}

func gatewayStateMetrics() []family {
	return []family{
		gauges("gateway_state", "1 for where new sessions go, 0 for the others.", []string{"state"},
			func(s *Snapshot, e emit) {
				emitStates(e, s.Gateway.Status.State.String(), []string{
					gateway.Upstream.String(), gateway.Local.String(), gateway.HandingBack.String(),
				})
			}),
		gauges("gateway_mode", "1 for the operator's say, 0 for the others.", []string{"mode"},
			func(s *Snapshot, e emit) {
				emitStates(e, s.Gateway.Status.Mode, []gateway.Mode{gateway.Auto, gateway.HoldLocal, gateway.HoldUpstream})
			}),
		gauge("gateway_upstream_healthy", "1 if ChatEngine passed the last probe.",
			func(s *Snapshot) float64 { return truth(s.Gateway.Status.Healthy) }),
		counters("gateway_probes_total", "Probes of ChatEngine's health, by result.", []string{"result"},
			func(s *Snapshot, e emit) {
				e(without(s.Gateway.Probes, s.Gateway.ProbesFailed), "ok")
				e(float64(s.Gateway.ProbesFailed), "failed")
			}),
		countersBy("gateway_upstream_failures_total", "Failures of ChatEngine, by what failed.", "reason",
			func(s *Snapshot) map[string]uint64 { return s.Gateway.Failures }),
		countersBy("gateway_refused_total", "Requests that were not passed on for another reason than ChatEngine's health, and WebSockets that were closed, by reason.", "reason",
			func(s *Snapshot) map[string]uint64 { return s.Gateway.Refused }),
		countersBy("gateway_switches_total", "Changes of state, by the state entered.", "state",
			func(s *Snapshot) map[string]uint64 { return s.Gateway.Switches }),
	}
}

func gatewayTrafficMetrics() []family {
	return []family{
		gauges("gateway_connections", "What is being proxied to ChatEngine now, by kind.", []string{"kind"},
			func(s *Snapshot, e emit) {
				e(float64(s.Gateway.Websockets), "websocket")
				e(float64(s.Gateway.Requests), "poll")
			}),
		counters("gateway_proxied_total", "What was proxied to ChatEngine, by kind.", []string{"kind"},
			func(s *Snapshot, e emit) {
				e(float64(s.Gateway.Upgraded), "websocket")
				e(float64(s.Gateway.Polled), "poll")
				e(float64(s.Gateway.Passed), "other")
			}),
		counters("gateway_served_total", "Sessions opened by the bridge itself: because of the state, or because ChatEngine failed that very request.", []string{"why"},
			func(s *Snapshot, e emit) {
				e(float64(s.Gateway.Served), "state")
				e(float64(s.Gateway.Rescued), "rescue")
			}),
		counters("gateway_rest_total", "Requests of ChatEngine's REST interface that the bridge answered itself: because of the state, or because ChatEngine failed that very request.", []string{"why"},
			func(s *Snapshot, e emit) {
				e(float64(s.Gateway.RestServed), "state")
				e(float64(s.Gateway.RestRescued), "rescue")
			}),
		counters("gateway_moved_total", "Clients moved, by the way: handed back to ChatEngine, handed over to the bridge, or their connection to ChatEngine broke.", []string{"way"},
			func(s *Snapshot, e emit) {
				e(float64(s.Gateway.HandedBack), "back")
				e(float64(s.Gateway.HandedOver), "over")
				e(float64(s.Gateway.Broken), "broken")
			}),
		countersBy("gateway_catch_ups_total", "Catch-ups of proxied websockets, by outcome.", "outcome",
			func(s *Snapshot) map[string]uint64 { return s.Gateway.CatchUps }),
		counter("gateway_catch_up_events_total", "Events that the bridge gave to proxied clients.",
			func(s *Snapshot) uint64 { return s.Gateway.CatchUpEvents }),
	}
}
