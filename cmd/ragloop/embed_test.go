package main

import (
	"bufio"
	"context"
	"errors"
	"io"
	"strings"
	"testing"
)

// A signal must end the command while nothing comes from standard input.
func TestEmbedInterrupted(t *testing.T) {
	in, held := io.Pipe()
	defer held.Close()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, more, err := embedBatch(ctx, inputLines(ctx, in, maxEmbedLineBytes)); more || !errors.Is(err, context.Canceled) {
		t.Errorf("more %v, %v", more, err)
	}
}

func TestReadLine(t *testing.T) {
	const limit = 8
	in := bufio.NewReaderSize(strings.NewReader("1234567\n12345678"), 16)
	for _, want := range []struct {
		line string
		err  error
	}{{"1234567\n", nil}, {"12345678", io.EOF}, {"", io.EOF}} {
		if line, err := readLine(in, limit); string(line) != want.line || !errors.Is(err, want.err) {
			t.Errorf("%q, %v, want %q, %v", line, err, want.line, want.err)
		}
	}
	// Endless, and longer than the buffer of the reader.
	if _, err := readLine(bufio.NewReaderSize(endless{}, 16), 1<<20); err == nil || !strings.Contains(err.Error(), "1048576 bytes allowed") {
		t.Error(err)
	}
}

type endless struct{}

func (endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 'a'
	}
	return len(p), nil
}

func TestEmbedBatches(t *testing.T) {
	lines := inputLines(t.Context(), strings.NewReader(strings.Repeat(`{"text":"a"}`+"\n\n", embedBatchLines+1)+"no\n"), maxEmbedLineBytes)
	for _, want := range []struct {
		lines int
		more  bool
		err   string
	}{{embedBatchLines, true, ""}, {1, false, "line 131 of standard input: "}} {
		batch, more, err := embedBatch(t.Context(), lines)
		if len(batch) != want.lines || more != want.more || (err == nil) != (want.err == "") || err != nil && !strings.Contains(err.Error(), want.err) {
			t.Errorf("%d lines, more %v, %v, want %+v", len(batch), more, err, want)
		}
	}
}
