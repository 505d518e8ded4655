package main

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/ragloop/ragloop/internal/config"
)

const readme = "../../README.md"

// TestReadme runs the commands of README's "sh" blocks in order, in one
// directory, and fails when one of them does.
func TestReadme(t *testing.T) {
	if testing.Short() {
		t.Skip("embeds the demo corpus")
	}
	data, err := os.ReadFile(readme)
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(t.TempDir())
	ran := 0
	for _, block := range regexp.MustCompile("(?s)```sh\n(.*?)```").FindAllStringSubmatch(string(data), -1) {
		for line := range strings.Lines(block[1]) {
			line, _, _ = strings.Cut(strings.TrimSpace(line), "  #")
			stdin, cmd, piped := strings.Cut(line, " | ")
			if !piped {
				stdin, cmd = "", line
			}
			args, ok := strings.CutPrefix(cmd, "go run ./cmd/ragloop ")
			if !ok {
				if cmd != "go test ./..." {
					t.Errorf("README: the test cannot run %q", line)
				}
				continue
			}
			var out, errs strings.Builder
			in := strings.TrimSuffix(strings.TrimPrefix(stdin, "echo '"), "'")
			if code := run(t.Context(), fields(args), streams{strings.NewReader(in), &out, &errs}, nil); code != exitOK {
				t.Errorf("README: %s = %d\n%s", line, code, errs.String())
			}
			ran++
		}
	}
	if ran < 10 {
		t.Errorf("README: %d commands ran, want at least 10", ran)
	}
}

// fields splits a command line at blanks outside quotes.
func fields(line string) (args []string) {
	for _, m := range regexp.MustCompile(`"([^"]*)"|'([^']*)'|(\S+)`).FindAllStringSubmatch(line, -1) {
		args = append(args, m[1]+m[2]+m[3])
	}
	return args
}

// TestReadmeKeys: README's table of keys is the one that the program prints.
func TestReadmeKeys(t *testing.T) {
	data, err := os.ReadFile(readme)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(data), config.Table()) {
		t.Errorf("README's table of configuration keys is not what \"ragloop config keys\" prints")
	}
}

// TestReadmeDependencies: every direct dependency has its line.
func TestReadmeDependencies(t *testing.T) {
	text, err := os.ReadFile(readme)
	if err != nil {
		t.Fatal(err)
	}
	mod, err := os.ReadFile("../../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, m := range regexp.MustCompile(`(?m)^\t(\S+) v[^ /]+$`).FindAllStringSubmatch(string(mod), -1) {
		found++
		if !strings.Contains(string(text), "`"+m[1]+"`") {
			t.Errorf("README does not say why %s is needed", m[1])
		}
	}
	if found < 10 {
		t.Errorf("go.mod lists %d direct dependencies, the test misses some", found)
	}
}
