package wordpiece

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io/fs"
	"os"
	"path"
	"strings"
	"testing"

	"github.com/ragloop/ragloop/internal/demo"
)

// prose returns the Markdown and text files of the demonstration corpus, one
// text per paragraph.
func prose(t testing.TB) []string {
	t.Helper()
	var out []string
	err := fs.WalkDir(demo.Corpus(), ".", func(name string, d fs.DirEntry, err error) error {
		if ext := path.Ext(name); err != nil || ext != ".md" && ext != ".txt" {
			return err
		}
		data, err := fs.ReadFile(demo.Corpus(), name)
		out = append(out, strings.Split(string(data), "\n\n")...)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// abstracts returns the documents of SciFact, or nothing when they are not there.
func abstracts(t testing.TB) []string {
	t.Helper()
	dir := os.Getenv("RAGLOOP_DATA")
	if dir == "" {
		return nil
	}
	data, err := os.ReadFile(dir + "/scifact/corpus.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for s := bufio.NewScanner(bytes.NewReader(data)); s.Scan(); {
		var doc struct{ Title, Text string }
		if err := json.Unmarshal(s.Bytes(), &doc); err != nil {
			t.Fatal(err)
		}
		out = append(out, doc.Title+" "+doc.Text)
	}
	return out
}

// cyrillic is text in a script that the vocabulary knows by letters only.
const cyrillic = "Насосная станция была остановлена весной: второй двигатель заменили. Ёлка и йод."

func BenchmarkAppend(b *testing.B) {
	tok := bgeTokenizer(b)
	for _, c := range []struct {
		name  string
		texts []string
	}{
		{"demo", prose(b)},
		{"scifact", abstracts(b)},
		{"cyrillic", []string{strings.Repeat(cyrillic, 64)}},
		{"hangul", []string{strings.Repeat("한국어 문장은 이렇게 씁니다. ", 64)}},
		{"longword", []string{strings.Repeat("incomprehensibilities", 4)}},
		{"endless", []string{strings.Repeat("x", 1<<20)}},
	} {
		b.Run(c.name, func(b *testing.B) {
			size := 0
			for _, text := range c.texts {
				size += len(text)
			}
			if size == 0 {
				b.Skip("RAGLOOP_DATA is not set")
			}
			b.SetBytes(int64(size))
			b.ReportAllocs()
			var ids []int32
			for b.Loop() {
				for _, text := range c.texts {
					ids = tok.Append(ids[:0], text)
				}
			}
		})
	}
}

func BenchmarkCount(b *testing.B) {
	tok := bgeTokenizer(b)
	text := strings.Join(prose(b), "\n\n")
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		tok.Count(text)
	}
}

func BenchmarkNew(b *testing.B) {
	vocabulary := bgeVocabulary(b)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := New(vocabulary, Uncased()); err != nil {
			b.Fatal(err)
		}
	}
}
