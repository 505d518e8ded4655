package lexical

import (
	"bufio"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// recorded is a text and what a real server stored for it.
type recorded struct {
	Text    string
	Options struct {
		K, B          json.RawMessage
		Language      *string
		Tokenizer     string
		Lowercase     *bool
		ASCIIFolding  bool            `json:"ascii_folding"`
		AvgLenOption  json.RawMessage `json:"avg_len"`
		MinTokenLen   int             `json:"min_token_len"`
		MaxTokenLen   int             `json:"max_token_len"`
		StopWords     *struct{ Custom []string }
		UnknownOption json.RawMessage `json:"bogus"`
	}
	Indices []uint32
	Values  []float32
	Code    string
}

// params translates the server's options. ok is false where an option has a
// type that Params can't hold.
func (r recorded) params() (p Params, ok bool) {
	p = Default()
	ok = true
	number := func(f *float64, raw json.RawMessage) {
		if raw != nil && json.Unmarshal(raw, f) != nil {
			ok = false
		}
	}
	number(&p.K, r.Options.K)
	number(&p.B, r.Options.B)
	number(&p.AvgLen, r.Options.AvgLenOption)
	if r.Options.Language != nil {
		p.Language = *r.Options.Language
	}
	p.Tokenizer = r.Options.Tokenizer
	p.CaseSensitive = r.Options.Lowercase != nil && !*r.Options.Lowercase
	p.ASCIIFolding = r.Options.ASCIIFolding
	p.MinTermLen, p.MaxTermLen = r.Options.MinTokenLen, r.Options.MaxTokenLen
	if r.Options.StopWords != nil {
		p.StopWords = append([]string{}, r.Options.StopWords.Custom...)
	}
	return p, ok
}

func TestDocumentMatchesServer(t *testing.T) {
	compareWithServer(t, "testdata/own.jsonl", 263)
}

// The passages of other collections are not ours to copy.
func TestDocumentMatchesServerOnCorpora(t *testing.T) {
	dir := os.Getenv("RAGLOOP_DATA")
	if dir == "" {
		t.Skip("RAGLOOP_DATA is not set")
	}
	compareWithServer(t, filepath.Join(dir, "qdrant_bm25", "corpora.jsonl"), 192)
}

func compareWithServer(t *testing.T, file string, want int) {
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	equal, refused, unsupported, exact := 0, 0, map[string]int{}, 0
	sc := bufio.NewScanner(f)
	sc.Buffer(nil, 1<<20)
	n := 0
	for sc.Scan() {
		n++
		var r recorded
		if err := json.Unmarshal(sc.Bytes(), &r); err != nil {
			t.Fatal(err)
		}
		p, ok := r.params()
		if !ok {
			if r.Code == "" {
				t.Errorf("%s:%d: options that Params can't hold, accepted by the server", file, n)
			}
			refused++
			continue
		}
		a, err := New(p)
		switch {
		case r.Code != "":
			if err == nil {
				t.Errorf("%s:%d: New(%+v) succeeds, the server answers %s", file, n, p, r.Code)
			}
			refused++
			continue
		case err != nil:
			unsupported[p.Language+"/"+p.Tokenizer]++
			continue
		}
		got := a.Document(r.Text)
		if !slices.Equal(got.Indices, r.Indices) && len(got.Indices)+len(r.Indices) > 0 {
			t.Errorf("%s:%d: %q with %+v: indices %v, want %v (terms %q)", file, n, r.Text, p, got.Indices, r.Indices, a.Terms(r.Text))
			continue
		}
		for i, v := range got.Values {
			if math.Abs(float64(v-r.Values[i])) > 1e-6*float64(r.Values[i]) {
				t.Errorf("%s:%d: %q with %+v: value %v at %d, want %v", file, n, r.Text, p, v, got.Indices[i], r.Values[i])
				break
			}
		}
		if slices.Equal(got.Values, r.Values) {
			exact++
		}
		equal++
	}
	if err := sc.Err(); err != nil {
		t.Fatal(err)
	}
	if n != want {
		t.Errorf("%s has %d records, want %d", file, n, want)
	}
	t.Logf("%s: %d equal, %d of them to the last bit; %d refused as by the server; unsupported here: %v", file, equal, exact, refused, unsupported)
	for k := range unsupported {
		if !strings.HasSuffix(k, "/multilingual") && k != "arabic/" && k != "greek/" {
			t.Errorf("%s: unexpectedly unsupported: %s", file, k)
		}
	}
}
