package main

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"

	"github.com/ragloop/ragloop/evalret/runs"
)

const deployDir = "../../deploy"

// composeFile is the part of a compose file that the test looks at.
type composeFile struct {
	Services map[string]struct {
		Image       string            `yaml:"image"`
		Command     []string          `yaml:"command"`
		Environment map[string]string `yaml:"environment"`
		Ports       []string          `yaml:"ports"`
		Volumes     []string          `yaml:"volumes"`
		ReadOnly    bool              `yaml:"read_only"`
		CapDrop     []string          `yaml:"cap_drop"`
		Build       *struct {
			Context    string `yaml:"context"`
			Dockerfile string `yaml:"dockerfile"`
		} `yaml:"build"`
		DependsOn   map[string]map[string]string `yaml:"depends_on"`
		Healthcheck *struct {
			Test []string `yaml:"test"`
		} `yaml:"healthcheck"`
	} `yaml:"services"`
	Volumes map[string]any `yaml:"volumes"`
}

// TestCompose checks what can be checked without an engine: the files that it
// names exist, ragloop's command lines and variables are ones that this program
// accepts, and nothing is published beyond loopback.
func TestCompose(t *testing.T) {
	data, err := os.ReadFile(filepath.Join(deployDir, "compose.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var c composeFile
	if err := yaml.Unmarshal(data, &c); err != nil {
		t.Fatal(err)
	}
	for name, s := range c.Services {
		if s.Healthcheck == nil {
			t.Errorf("%s has no health check", name)
		}
		for _, p := range s.Ports {
			if !strings.HasPrefix(p, "127.0.0.1:") {
				t.Errorf("%s publishes %s beyond loopback", name, p)
			}
		}
		for _, v := range s.Volumes {
			if volume, _, _ := strings.Cut(v, ":"); !slices.Contains(sortedKeys(c.Volumes), volume) {
				t.Errorf("%s mounts %s, which is not declared", name, volume)
			}
		}
	}
	q := c.Services["qdrant"]
	if !regexp.MustCompile(`^qdrant/qdrant:v1\.\d+\.\d+$`).MatchString(q.Image) {
		t.Errorf("qdrant image is %q, want a pinned version", q.Image)
	}
	r := c.Services["ragloop"]
	if r.DependsOn["qdrant"]["condition"] != "service_healthy" || !r.ReadOnly || !slices.Contains(r.CapDrop, "ALL") {
		t.Errorf("ragloop: depends_on %v, read_only %v, cap_drop %v", r.DependsOn, r.ReadOnly, r.CapDrop)
	}
	if r.Build == nil {
		t.Fatal("ragloop has no build section")
	}
	if _, err := os.Stat(filepath.Join(deployDir, r.Build.Context, r.Build.Dockerfile)); err != nil {
		t.Errorf("build: %v", err)
	}
	var env []string
	for k, v := range r.Environment {
		env = append(env, k+"="+v)
	}
	accepts(t, r.Healthcheck.Test[2:], env)
}

// TestDockerfile: static build, no root, and a default command this program accepts.
func TestDockerfile(t *testing.T) {
	data, err := os.ReadFile(filepath.Join(deployDir, "Dockerfile"))
	if err != nil {
		t.Fatal(err)
	}
	text := string(data)
	final := text[strings.LastIndex(text, "\nFROM "):]
	for _, want := range []string{"CGO_ENABLED=0", "./cmd/ragloop"} {
		if !strings.Contains(text, want) {
			t.Errorf("Dockerfile misses %s", want)
		}
	}
	user := regexp.MustCompile(`(?m)^USER (\S+)`).FindStringSubmatch(final)
	if user == nil || strings.HasPrefix(user[1], "0") || strings.HasPrefix(user[1], "root") {
		t.Errorf("final stage runs as %v, want a non-root USER", user)
	}
	goMod, err := os.ReadFile("../../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	goVersion := regexp.MustCompile(`(?m)^go (\d+\.\d+)`).FindStringSubmatch(string(goMod))[1]
	if !strings.Contains(text, "FROM golang:"+goVersion) {
		t.Errorf("Dockerfile does not build with Go %s as go.mod says", goVersion)
	}
	var env []string
	for _, m := range regexp.MustCompile(`(?m)^ENV (\S+=\S+)`).FindAllStringSubmatch(final, -1) {
		env = append(env, m[1])
	}
	cmd := regexp.MustCompile(`(?m)^CMD \[(.*)\]`).FindStringSubmatch(final)
	if cmd == nil {
		t.Fatal("no CMD")
	}
	var args []string
	for _, a := range strings.Split(cmd[1], ",") {
		args = append(args, strings.Trim(strings.TrimSpace(a), `"`))
	}
	accepts(t, args, env)
}

// TestGitHubActions: the commands of the example are ones that this program
// accepts, and its gates can be read.
func TestGitHubActions(t *testing.T) {
	data, err := os.ReadFile(filepath.Join(deployDir, "github-actions.yml"))
	if err != nil {
		t.Fatal(err)
	}
	var w struct {
		Jobs map[string]struct {
			Steps []struct {
				Run string `yaml:"run"`
			} `yaml:"steps"`
		} `yaml:"jobs"`
	}
	if err := yaml.Unmarshal(data, &w); err != nil {
		t.Fatal(err)
	}
	commands, gates := 0, 0
	for _, s := range w.Jobs["evaluate"].Steps {
		args := strings.Fields(strings.ReplaceAll(s.Run, "'", ""))
		if len(args) == 0 || args[0] != "ragloop" {
			continue
		}
		commands++
		accepts(t, args[1:], nil)
		for i, a := range args {
			if a == "--gate" {
				gates++
				if _, err := runs.ParseGate(args[i+1]); err != nil {
					t.Error(err)
				}
			}
		}
	}
	if commands != 2 || gates != 2 {
		t.Errorf("the example has %d commands of this program and %d gates, want 2 and 2", commands, gates)
	}
}

// accepts parses a command line and loads its configuration without running it.
func accepts(t *testing.T, args, env []string) {
	t.Helper()
	a := &app{streams: streams{err: t.Output()}, environ: env, flags: map[string]string{}}
	root := a.root()
	cmd, rest, err := root.Find(args)
	if err != nil || cmd == root {
		t.Fatalf("%q is no command: %v", args, err)
	}
	if err := cmd.ParseFlags(rest); err != nil {
		t.Fatalf("%q: %v", args, err)
	}
	if err := cmd.ValidateArgs(cmd.Flags().Args()); err != nil {
		t.Fatalf("%q: %v", args, err)
	}
	if err := a.load(cmd); err != nil {
		t.Fatalf("%q with %q: %v", args, env, err)
	}
}
