package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ragloop/ragloop/retrieve/pack"
)

func TestContextTemplate(t *testing.T) {
	dir := t.TempDir()
	write := func(name, source string) string {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte(source), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	good := write("good", "<doc n=\"{label}\">\n{text}\n</doc>\n")
	for _, name := range []string{pack.Plain, pack.XML, pack.Markdown, good} {
		if got, err := contextTemplate(name); err != nil || got.String() != name {
			t.Errorf("contextTemplate(%s) = %v, %v", name, got, err)
		}
	}
	for name, want := range map[string]string{
		"html":                          "nor is it a file",
		dir:                             "is not a regular file",
		write("bad", "{label}\n{text}"): "line 1: it begins with",
		write("long", strings.Repeat("x", pack.MaxTemplateBytes+1)): "allowed are 4096",
	} {
		if got, err := contextTemplate(name); !errors.Is(err, pack.ErrTemplate) || !strings.Contains(err.Error(), want) {
			t.Errorf("contextTemplate(%s) = %v, %v; want an error with %q", name, got, err, want)
		}
	}
}
