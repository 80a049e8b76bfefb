package configs_test

import (
	"strings"
	"testing"

	"chatbridge/configs"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"
)

// bridge.yaml has every key, its value is the default, each is commented.
func TestDefaultFile(t *testing.T) {
	t.Parallel()
	want := load(t, configs.Sources{})
	got := load(t, configs.Sources{File: write(t, "bridge.yaml", configs.Default)})
	if d := cmp.Diff(shown(want), shown(got)); d != "" {
		t.Errorf("bridge.yaml differs from the defaults:\n%s", d)
	}

	var doc yaml.Node
	if err := yaml.Unmarshal([]byte(configs.Default), &doc); err != nil {
		t.Fatal(err)
	}
	inFile := map[string]bool{}
	walk(t, doc.Content[0], "", false, inFile)
	var keys []string
	for _, s := range want.Redacted() {
		keys = append(keys, s.Key)
		if !inFile[s.Key] {
			t.Errorf("%s is not in bridge.yaml", s.Key)
		}
		delete(inFile, s.Key)
		variable := configs.EnvName(s.Key)
		if want := "BRIDGE_" + strings.ToUpper(strings.ReplaceAll(s.Key, ".", "_")); variable != want {
			t.Errorf("EnvName(%s) = %s", s.Key, variable)
		}
	}
	for key := range inFile {
		t.Errorf("%s is in bridge.yaml and is no setting", key)
	}
	variables := map[string]string{}
	for _, key := range keys {
		if other, has := variables[configs.EnvName(key)]; has {
			t.Errorf("%s and %s have one environment variable", key, other)
		}
		variables[configs.EnvName(key)] = key
	}
}

// walk collects the keys and wants a comment on each, or on one of the
// settings right before it in the same section that it is explained with.
func walk(t *testing.T, n *yaml.Node, prefix string, explained bool, keys map[string]bool) {
	for i := 0; i+1 < len(n.Content); i += 2 {
		name, value := n.Content[i], n.Content[i+1]
		explained = explained || name.HeadComment != ""
		if value.Kind == yaml.MappingNode {
			walk(t, value, prefix+name.Value+".", explained, keys)
			explained = false
			continue
		}
		keys[prefix+name.Value] = true
		if !explained {
			t.Errorf("bridge.yaml:%d: %s%s has no comment", name.Line, prefix, name.Value)
		}
	}
}

// The defaults that operators, scripts and documents rely on.
func TestPublicDefaults(t *testing.T) {
	t.Parallel()
	got := shown(load(t, configs.Sources{}))
	for key, want := range map[string]string{
		"listen": ":8080", "path": "/api/ws", "admin.listen": "127.0.0.1:9090", "source.kind": "postgres",
		"source.postgres.publication": "bridge", "source.postgres.slot": "bridge", "source.postgres.max_lag": "1GiB",
		"mapping.preset": "crm", "replay.window": "1m", "log.level": "info", "log.format": "auto", "cors.origins": "",
		"gateway.upstream": "", "auth.on_expiry": "keep",
	} {
		if got[key] != want {
			t.Errorf("%s = %q, want %q", key, got[key], want)
		}
	}
}
