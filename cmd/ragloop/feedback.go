package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"

	"github.com/ragloop/ragloop/evalret/labels/feedback"
	"github.com/ragloop/ragloop/retrieve/server"
)

// feedbackDir is where a service keeps feedback.
func (a *app) feedbackDir() string { return filepath.Join(a.cfg.Config.DataDir, "feedback") }

// feedbackSink returns what keeps the feedback of a service. It opens its
// directory when feedback first comes.
func (a *app) feedbackSink() server.FeedbackSink { return &feedbackSink{dir: a.feedbackDir()} }

type feedbackSink struct {
	dir string

	mu    sync.Mutex
	store *feedback.Store
}

func (s *feedbackSink) open() (*feedback.Store, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.store != nil {
		return s.store, nil
	}
	store, err := feedback.Open(s.dir)
	if err == nil {
		s.store = store
	}
	return store, err
}

func (s *feedbackSink) Submit(_ context.Context, f server.Feedback) (bool, error) {
	store, err := s.open()
	if err != nil {
		return false, err
	}
	e := feedback.Entry{ID: f.ID, Retrieval: f.Retrieval, Query: f.Query, Collection: f.Collection, Comment: f.Comment, Judgements: []feedback.Judgement{}}
	for _, j := range f.Judgements {
		e.Judgements = append(e.Judgements, feedback.Judgement{
			Doc: string(j.Doc), Revision: j.Revision, Start: j.Span.Start, End: j.Span.End, Text: j.Text, Verdict: string(j.Verdict),
		})
	}
	duplicate, err := store.Submit(e)
	switch {
	case err == nil:
		return duplicate, nil
	case errors.Is(err, feedback.ErrID):
		return false, fmt.Errorf("%w: %w", server.ErrFeedbackID, err)
	case errors.Is(err, feedback.ErrFull):
		return false, fmt.Errorf("%w: %w", server.ErrFeedbackFull, err)
	}
	return false, fmt.Errorf("%w: %w", server.ErrUnavailable, err)
}
