package main

import (
	"github.com/ragloop/ragloop/ingest"
	"github.com/ragloop/ragloop/ingest/situate"
	"github.com/ragloop/ragloop/internal/chat"
	"github.com/ragloop/ragloop/retrieve/expand"
)

// sharedModel returns the configured language model, one for the whole command.
func (a *app) sharedModel() (chat.Model, error) {
	if a.llm == nil {
		m, err := a.languageModel()
		if err != nil {
			return nil, err
		}
		a.llm = m
	}
	return a.llm, nil
}

// expander returns what expands and rewrites queries, nil where no language model
// is configured.
func (a *app) expander() (*expand.Writer, error) {
	if a.cfg.Config.LLM.BaseURL == "" {
		return nil, nil
	}
	m, err := a.sharedModel()
	if err != nil {
		return nil, err
	}
	return expand.New(m), nil
}

// expanderFingerprint names w in reports; "" for nil.
func expanderFingerprint(w *expand.Writer) string {
	if w == nil {
		return ""
	}
	return w.Fingerprint()
}

// situator returns what writes a line about each chunk, nil unless chunk.context
// asks for it.
func (a *app) situator() (ingest.Situator, error) {
	if a.cfg.Config.Chunk.Context != "llm" {
		return nil, nil
	}
	m, err := a.sharedModel()
	if err != nil {
		return nil, err
	}
	return situate.New(m), nil
}
