// Command compare runs the module's benchmarks beside those of an earlier revision,
// taking turns in each round, and has benchstat say what became faster or slower.
//
//	go run ./bench/compare                                   # with HEAD~1
//	go run ./bench/compare -before v0.1.0 -packages ./mapping/... -bench Map
//	go run ./bench/compare -pgo bench-results/pgo/default.pgo # with and without that profile
//
// What was measured is kept in bench/results: before.txt, after.txt, and benchstat's
// table in compare.txt. Figures of different runs do not compare.
package main
