package main

import (
	"path/filepath"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/ragloop/ragloop/ingest/extract/isolate"
)

func TestMain(m *testing.M) {
	isolate.Main() // commands that run in a test's own process start parsers, too
	testscript.Main(m, map[string]func(){"ragloop": main})
}

// TestScripts runs command lines as a user would; each script has a directory
// of its own.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		UpdateScripts:       *update,
		Setup: func(e *testscript.Env) error {
			models, err := filepath.Abs("../../internal/embed/convert/testdata")
			e.Setenv("MODELS", models)
			return err
		},
	})
}
