package ops

import "time"

func daemonMetrics() []family {
	return []family{
		gauges("build_info", "Always 1; the labels say which program runs.", []string{"version", "commit", "go"},
			func(s *Snapshot, e emit) { e(1, s.Build.Version, s.Build.Commit, s.Build.Go) }),
		// The process collector's own cannot be read where a sandbox hides
		// /proc/stat (systemd's ProcSubset=pid).
		timestamp("started_timestamp_seconds", "When the daemon started.",
			func(s *Snapshot) time.Time { return s.Started }),
		gauge("ready", "1 while /readyz answers 200: clients are well served here.",
			func(s *Snapshot) float64 { return truth(s.Ready.OK()) }),
		counters("config_reloads_total", "Readings of the configuration on SIGHUP, by result.", []string{"result"},
			func(s *Snapshot, e emit) {
				e(float64(s.Reload.Succeeded), "ok")
				e(float64(s.Reload.Failed), "failed")
			}),
		gauge("config_reload_ok", "0 after a SIGHUP whose configuration was refused: the old one is in use.",
			func(s *Snapshot) float64 { return truth(s.Reload.OK) }),
		timestamp("config_loaded_timestamp_seconds", "When the configuration in use was read.",
			func(s *Snapshot) time.Time { return s.Reload.Last }),
		counter("admin_tokens_refused_total", "Wrong values of admin.token that were shown on the admin listener.",
			func(s *Snapshot) uint64 { return s.AdminTokensRefused }),
		timestamp("tls_certificate_expires_timestamp_seconds", "When the served TLS certificate expires; absent without TLS.",
			func(s *Snapshot) time.Time { return s.CertificateExpires }),
		countersBy("log_lines_total", "Log lines written, by level.", "level",
			func(s *Snapshot) map[string]uint64 { return s.Log.Lines }),
		counter("log_lines_suppressed_total", "Repeated log lines that were not written; a later line tells their number.",
			func(s *Snapshot) uint64 { return s.Log.Suppressed }),
	}
}
