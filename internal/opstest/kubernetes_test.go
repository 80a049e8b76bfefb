package opstest_test

import (
	"bytes"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"chatbridge/internal/schemas"
	"chatbridge/internal/throwaway/pgtest"
)

type probe struct {
	HTTPGet struct{ Path, Port string } `yaml:"httpGet"`
}

// object is what of a Kubernetes object is looked at.
type object struct {
	Kind     string
	Metadata struct {
		Name   string
		Labels map[string]string
	}
	Data map[string]string
	Spec struct {
		Replicas int
		Selector map[string]any
		Template struct {
			Metadata struct{ Labels map[string]string }
			Spec     struct {
				Containers []struct {
					Args      []string
					Env       []struct{ Name, Value string }
					Liveness  probe `yaml:"livenessProbe"`
					Readiness probe `yaml:"readinessProbe"`
				}
			}
		}
	}
}

// TestKubernetesManifests runs the bridge as the manifests' container would be, with the
// secrets that they ask for: it serves and answers their probes.
func TestKubernetesManifests(t *testing.T) {
	for _, name := range []string{"bridge.yaml", "cluster.yaml"} {
		t.Run(name, func(t *testing.T) {
			text := read(t, "configs", "kubernetes", name)
			objects := map[string]object{}
			for decoder := yaml.NewDecoder(strings.NewReader(text)); ; {
				var o object
				if err := decoder.Decode(&o); err == io.EOF {
					break
				} else if err != nil {
					t.Fatal(err)
				}
				objects[o.Kind+" "+o.Metadata.Name] = o
			}
			deployment := objects["Deployment chatbridge"].Spec
			if len(deployment.Template.Spec.Containers) != 1 {
				t.Fatalf("objects %v", objects)
			}
			for _, service := range []string{"Service chatbridge", "Service chatbridge-admin"} {
				for label, value := range objects[service].Spec.Selector {
					if deployment.Template.Metadata.Labels[label] != value {
						t.Errorf("%s selects no pod: %s: %v", service, label, value)
					}
				}
			}
			_, budget := objects["PodDisruptionBudget chatbridge"]
			if several := name == "cluster.yaml"; budget != several || several != (deployment.Replicas == 3) {
				t.Errorf("%d replicas, a budget: %v", deployment.Replicas, budget)
			}

			dir := t.TempDir()
			config := filepath.Join(dir, "bridge.yaml")
			if err := os.WriteFile(config, []byte(objects["ConfigMap chatbridge"].Data["bridge.yaml"]), 0o600); err != nil {
				t.Fatal(err)
			}
			secrets := map[string]string{
				"source.postgres.url": pgtest.DB(t, schemas.CRM), "auth.chatengine_secret": "the secret of ChatEngine's tokens",
				"cluster.redis_url": "redis://127.0.0.1:1",
			}
			for _, m := range regexp.MustCompile(`--from-file=([a-z._]+)=`).FindAllStringSubmatch(text, -1) {
				if secrets[m[1]] == "" {
					t.Fatalf("an unknown secret %s", m[1])
				}
				if err := os.WriteFile(filepath.Join(dir, m[1]), []byte(secrets[m[1]]+"\n"), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			public, admin := freeAddress(t), freeAddress(t)
			container := deployment.Template.Spec.Containers[0]
			var env []string
			for _, e := range container.Env {
				value := map[string]string{"BRIDGE_LISTEN": public, "BRIDGE_ADMIN_LISTEN": admin, "CREDENTIALS_DIRECTORY": dir}[e.Name]
				if value == "" {
					t.Fatalf("an unknown variable %s", e.Name)
				}
				env = append(env, e.Name+"="+value)
			}
			args := slices.Clone(container.Args)
			args[slices.Index(args, "--config")+1] = config
			if name == "cluster.yaml" {
				cmd := exec.Command(binary(t), "check", "--offline", "--config", config)
				cmd.Env = append([]string{"PATH=" + os.Getenv("PATH")}, env...)
				if out, err := cmd.CombinedOutput(); err != nil || bytes.Contains(out, []byte("FAIL")) {
					t.Errorf("check --offline: %v\n%s", err, out)
				}
				return
			}
			start(t, setup{args: args, env: env})
			for _, p := range []probe{container.Liveness, container.Readiness} {
				if p.HTTPGet.Port != "public" || p.HTTPGet.Path == "" {
					t.Errorf("probe %+v", p)
				}
				get(t, "http://"+public+p.HTTPGet.Path, 200)
			}
			get(t, "http://"+admin+"/metrics", 200)
		})
	}
}
