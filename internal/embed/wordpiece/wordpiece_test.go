package wordpiece

import (
	"bufio"
	"compress/gzip"
	"encoding/json"
	"io"
	"os"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/ragloop/ragloop/internal/embed/modelfile"
)

// bgeTokenizer returns the tokenizer of the built-in model.
func bgeTokenizer(t testing.TB) *Tokenizer {
	t.Helper()
	data, err := os.ReadFile("../bge-small-en-v1.5.model")
	if err != nil {
		t.Fatal(err)
	}
	f, err := modelfile.Parse(data)
	if err != nil {
		t.Fatal(err)
	}
	vocabulary, err := f.Blob("vocab.txt")
	if err != nil {
		t.Fatal(err)
	}
	tok, err := New(vocabulary)
	if err != nil {
		t.Fatal(err)
	}
	return tok
}

type reference struct {
	Text string
	IDs  []int32
}

// references reads JSON Lines of texts with the ids of the reference tokenizer.
func references(t testing.TB, path string) []reference {
	t.Helper()
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	var r io.Reader = file
	if strings.HasSuffix(path, ".gz") {
		if r, err = gzip.NewReader(file); err != nil {
			t.Fatal(err)
		}
	}
	var out []reference
	for dec := json.NewDecoder(bufio.NewReader(r)); ; {
		var c reference
		if err := dec.Decode(&c); err == io.EOF {
			return out
		} else if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		out = append(out, c)
	}
}

// TestReference compares with the ids that tokenizers 0.23.3 gave; see
// ../README.md for where the files come from.
func TestReference(t *testing.T) {
	tok := bgeTokenizer(t)
	tok.recogniseSpecialNames = true
	files := []string{"testdata/tokens.jsonl.gz", "../testdata/golden.jsonl"}
	if dir := os.Getenv("RAGLOOP_DATA"); dir != "" {
		files = append(files, dir+"/../model/bge-small-en-v1.5/tokens.jsonl", dir+"/../model/bge-small-en-v1.5/golden.jsonl")
	}
	const window = 512
	for _, path := range files {
		for _, c := range references(t, path) {
			got := tok.Append(nil, c.Text)
			if len(got) > window { // the reference is cut
				got = append(got[:window-1], tok.sep)
			}
			if diff := cmp.Diff(c.IDs, got); diff != "" {
				t.Errorf("%s: Append(%q) differs (-want +got):\n%s", path, c.Text, diff)
			}
			if n := tok.Count(c.Text); len(c.IDs) < window && n != len(c.IDs) {
				t.Errorf("%s: Count(%q) = %d, want %d", path, c.Text, n, len(c.IDs))
			}
		}
	}
}

func TestSpecialNamesAreText(t *testing.T) {
	tok := bgeTokenizer(t)
	specials := []int32{tok.special["[PAD]"], tok.cls, tok.sep, tok.special["[MASK]"], tok.unk}
	for name := range tok.special {
		got := tok.Append(nil, "a "+name+" b")
		for _, id := range got[1 : len(got)-1] {
			if slices.Contains(specials, id) {
				t.Errorf("Append of %q = %v, which has the special id %d inside", name, got, id)
			}
		}
		if got[0] != tok.cls || got[len(got)-1] != tok.sep {
			t.Errorf("Append of %q = %v, want [CLS] … [SEP]", name, got)
		}
	}
}

func TestAppend(t *testing.T) {
	tok, err := New([]byte("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nun\n##aff\n##able\naff\n.\na\n##a\nε\n"))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		text string
		want []int32
	}{
		{"", []int32{2, 3}},
		{" \t\r\n\u00a0", []int32{2, 3}},
		{"unaffable", []int32{2, 5, 6, 7, 3}},
		{"UN\u0301affABLE.", []int32{2, 5, 6, 7, 9, 3}},
		{"affun", []int32{2, 1, 3}},                     // no "##un"
		{"un\x00aff\u200bable", []int32{2, 5, 6, 7, 3}}, // deleted, not spaces
		{"un\xff\xfeaff\xc3", []int32{2, 5, 6, 3}},      // not UTF-8: deleted
		{"a\u000bb", []int32{2, 1, 3}},                  // vertical tab is a control character
		{strings.Repeat("a", 100), append(append([]int32{2, 10}, slices.Repeat([]int32{11}, 99)...), 3)},
		{strings.Repeat("a", 101), []int32{2, 1, 3}},
		{"Ε", []int32{2, 12, 3}},
		{"un\u3000.un", []int32{2, 5, 9, 5, 3}},
		{"a中a", []int32{2, 10, 1, 10, 3}},
	} {
		if diff := cmp.Diff(c.want, tok.Append(nil, c.text)); diff != "" {
			t.Errorf("Append(%q) (-want +got):\n%s", c.text, diff)
		}
	}
	if got := tok.Len(); got != 13 {
		t.Errorf("Len() = %d, want 13", got)
	}
	if got := tok.Append([]int32{7}, "un"); !slices.Equal(got, []int32{7, 2, 5, 3}) {
		t.Errorf("Append keeps what was there: got %v", got)
	}
}

func TestNewErrors(t *testing.T) {
	for _, vocabulary := range []string{"", "a\nb\n", "[PAD]\n[UNK]\n[CLS]\n[SEP]\n", "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\na\n"} {
		if _, err := New([]byte(vocabulary)); err == nil {
			t.Errorf("New(%q) did not fail", vocabulary)
		}
	}
}

func FuzzAppend(f *testing.F) {
	tok := bgeTokenizer(f)
	for _, s := range []string{"", "Hello, wörld!", "[CLS]\x00\xff", "日本語 한국어 İ ǅ", "\u0301\u200d\ufdfa"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		ids := tok.Append(nil, text)
		if len(ids) < 2 || ids[0] != tok.cls || ids[len(ids)-1] != tok.sep {
			t.Fatalf("Append(%q) = %v, want [CLS] … [SEP]", text, ids)
		}
		for _, id := range ids[1 : len(ids)-1] {
			if id < 0 || int(id) >= tok.Len() || id == tok.cls || id == tok.sep {
				t.Fatalf("Append(%q) has the id %d inside", text, id)
			}
		}
		if got := tok.Count(text); got != len(ids) {
			t.Fatalf("Count(%q) = %d, want %d", text, got, len(ids))
		}
		if clean := strings.ToValidUTF8(text, ""); !utf8.ValidString(text) && !slices.Equal(tok.Append(nil, clean), ids) {
			t.Fatalf("Append(%q) differs from that of its valid part", text)
		}
		// A space is the end of a word: pieces of two texts do not depend on each other.
		double := tok.Append(nil, text+" x "+text)
		inner := ids[1 : len(ids)-1]
		if !slices.Equal(double[1:1+len(inner)], inner) || !slices.Equal(double[len(double)-1-len(inner):len(double)-1], inner) {
			t.Fatalf("Append(%q) changes beside another text", text)
		}
	})
}

func BenchmarkAppend(b *testing.B) {
	tok := bgeTokenizer(b)
	text := strings.Repeat("The pumping station's second motor (type M-200) was replaced in spring. ", 16)
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	var ids []int32
	for b.Loop() {
		ids = tok.Append(ids[:0], text)
	}
}
