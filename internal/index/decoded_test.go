package index

import (
	"errors"
	"fmt"
	"testing"

	"github.com/qdrant/go-client/qdrant"
)

func TestDecoded(t *testing.T) {
	calls := 0
	decode := func(id *qdrant.PointId, p map[string]*qdrant.Value) (string, error) {
		calls++
		if p["text"] == nil {
			return "", errors.New("no text")
		}
		return fmt.Sprint(id.GetNum(), p["text"].GetStringValue()), nil
	}
	id := qdrant.NewIDNum(7)
	d := newDecoded[string](4)
	read := func(p map[string]*qdrant.Value, want string, wantCalls int) {
		t.Helper()
		calls = 0
		got, err := d.read(id, p, decode)
		if err != nil || *got != want || calls != wantCalls {
			t.Errorf("read = %q, %v after %d decodings, want %q after %d", *got, err, calls, want, wantCalls)
		}
	}
	payloads := make([]map[string]*qdrant.Value, 5)
	for i := range payloads {
		payloads[i] = payload{"text": qdrant.NewValueString(fmt.Sprint("-", i))}
	}
	read(payloads[0], "7-0", 1)
	read(payloads[0], "7-0", 0)
	read(payload{"text": payloads[0]["text"]}, "7-0", 1) // another payload with the same value: labels may differ
	read(payloads[0], "7-0", 0)
	for i := 1; i < 5; i++ {
		read(payloads[i], fmt.Sprint("7-", i), 1)
		read(payloads[0], "7-0", 0) // what is asked for stays
	}
	read(payloads[1], "7-1", 1)
	if got, err := d.read(id, payload{}, decode); err == nil || got != nil {
		t.Errorf("read of a bad payload = %v, %v, want an error", got, err)
	}
	d = nil
	read(payloads[0], "7-0", 1)
	read(payloads[0], "7-0", 1)
}

// TestLegsShowLabels: a chunk whose labels were changed in place has the new ones
// in the next result.
func TestLegsShowLabels(t *testing.T) {
	c := dial(t, Options{})
	g := create(t, c)
	e := document("a", "r1", "one word")
	put(t, g, e)
	search := func() *Chunk {
		t.Helper()
		l, err := g.Legs(t.Context(), Search{Dense: vector("q"), Sparse: terms("word"), Limit: 5})
		if err != nil || len(l.Candidates) != 1 {
			t.Fatalf("Legs = %v, %v", l, err)
		}
		return l.Candidates[0].Chunk
	}
	search()
	e.Record.Tags = []string{"new"}
	put(t, g, e)
	if got := search().Tags; len(got) != 1 || got[0] != "new" {
		t.Errorf("tags = %q, want the new one", got)
	}
	if r, err := g.Record(t.Context(), "a"); err != nil || len(r.Tags) != 1 {
		t.Errorf("Record = %+v, %v, want the new tag", r, err)
	}
}
