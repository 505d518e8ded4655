package main

import (
	"strings"
	"testing"

	"github.com/ragloop/ragloop/internal/config"
	"github.com/ragloop/ragloop/internal/tokens"
)

// TestTokenizers: whatever there is a counter for can be configured, and where names
// are listed none is missing.
func TestTokenizers(t *testing.T) {
	query := mustRun(t, "query", "--help")
	ingest := mustRun(t, "ingest", "--help")
	for _, name := range tokens.Encodings() {
		for place, text := range map[string]string{"query --help": query, "ingest --help": ingest, "config keys": config.Table()} {
			if !strings.Contains(text, name) {
				t.Errorf("%s does not name %s", place, name)
			}
		}
		if _, err := config.Load("", nil, map[string]string{"chunk.tokenizer": name}); err != nil {
			t.Error(err)
		}
	}
}
