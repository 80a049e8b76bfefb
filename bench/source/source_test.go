//go:build linux

package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"chatbridge/bench/internal/results"
	"chatbridge/internal/throwaway"
)

// TestMain is a reader where it is started as one.
func TestMain(m *testing.M) {
	if os.Getenv(urlVariable) != "" {
		if err := run(context.Background(), os.Args[1:]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	goleak.VerifyTestMain(m)
}

// TestScenes reads small backlogs with each reader. What it says of speed is not looked
// at.
func TestScenes(t *testing.T) {
	cluster, err := throwaway.Start(t.Context(), throwaway.Options{TCP: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cluster.Stop(context.Background()) })
	for name, s := range scenes {
		var figures results.Results
		if err := s.play(t.Context(), cluster, 50, 1, &figures); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		var text strings.Builder
		figures.Write(&text, targets)
		if got := text.String(); strings.Count(got, s.title) != 3 || strings.Contains(got, "–") {
			t.Errorf("%s: table:\n%s", name, got)
		}
	}
}

func TestRunRefuses(t *testing.T) {
	if err := run(t.Context(), []string{"-rows", "many"}); err == nil {
		t.Error("took a number of rows that is none")
	}
}
