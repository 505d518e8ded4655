package ingest

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/ragloop/ragloop/ingest/chunk"
	"github.com/ragloop/ragloop/internal/index"
	"github.com/ragloop/ragloop/internal/text"
)

// manual has sections in several scripts, one of them too large for a parent.
const manual = "# Anleitung\n\nÜbersicht über das Gerät. Es misst Wärme.\n\n" +
	"## Установка\n\nПрибор крепится на стену. Питание отключается.\n\nПосле установки проверьте показания.\n\n" +
	"## 安装\n\n请先关闭电源。然后把设备固定在墙上。\n\n安装完成后检查读数。\n\n" +
	"| Größe | Wert |\n|---|---|\n| Breite | 12 cm |\n| Höhe | 20 cm |\n| Tiefe | 3 cm |\n| Gewicht | 800 g |\n\n" +
	"## Wartung\n\nJährlich reinigen. Die Dichtung prüfen. Die Batterie wechseln. Das Gehäuse schließen. Den Zähler ablesen.\n\n" +
	"Danach den Deckel öffnen. Den Filter ausbauen. Alles trocknen. Den Filter einsetzen. Den Deckel schließen. Fertig melden.\n"

func markdown(id text.DocID, s string) Source {
	item := Text(id, "", s)
	item.MediaType = "text/markdown"
	return Documents([]Item{item})
}

// TestStrategies: whatever the strategy, the index holds the text byte for byte.
func TestStrategies(t *testing.T) {
	c := dial(t, index.Options{})
	for _, strategy := range append(chunk.Strategies(), "") {
		t.Run(string(strategy), func(t *testing.T) {
			p := plan(collection(t, c))
			p.Chunker.Strategy = string(strategy)
			built, err := Build(t.Context(), c, p, markdown("manual.md", manual), Options{Embedder: &hashed{}, Extractor: InProcess{}})
			if err != nil {
				t.Fatal(err)
			}
			want := string(strategy)
			if want == "" {
				want = "structure"
			}
			if got := built.Generation.Recipe.Chunker.Strategy; got != want {
				t.Errorf("the recipe has strategy %q, want %q", got, want)
			}
			stored, _, err := built.Generation.Text(t.Context(), "manual.md")
			if err != nil || stored != manual {
				t.Errorf("Text = %q, %v", stored, err)
			}
		})
	}
}

// TestParents: what is delivered for a chunk is the text of the document at the
// parent's span, which holds the chunk.
func TestParents(t *testing.T) {
	c := dial(t, index.Options{})
	p := plan(collection(t, c))
	p.Chunker.Strategy = string(chunk.Parent)
	built, err := Build(t.Context(), c, p, markdown("manual.md", manual), Options{Embedder: &hashed{}, Extractor: InProcess{}})
	if err != nil {
		t.Fatal(err)
	}
	chunks, err := built.Generation.Chunks(t.Context(), "manual.md")
	if err != nil {
		t.Fatal(err)
	}
	parents, err := built.Generation.Parents(t.Context(), chunks)
	if err != nil {
		t.Fatal(err)
	}
	bodies := map[string]int{}
	for _, ch := range chunks {
		parent := parents[ch.ID]
		if parent == nil {
			continue
		}
		want, err := text.Slice(manual, parent.Span)
		if err != nil || parent.Text != want || utf8.RuneCountInString(parent.Text) != parent.Span.Len() {
			t.Errorf("the parent of chunk %d has the text %q, the document has %q there (%v)", ch.Ordinal, parent.Text, want, err)
		}
		if !parent.Span.Contains(ch.Span) {
			t.Errorf("the parent %v of chunk %d does not hold it: %v", parent.Span, ch.Ordinal, ch.Span)
		}
		if strings.Count(parent.Text, "#")/2 > 1 {
			t.Errorf("the parent of chunk %d is more than a section: %q", ch.Ordinal, parent.Text)
		}
		bodies[parent.Text]++
	}
	if len(bodies) < 3 {
		t.Errorf("%d parents, want one for each long section at least", len(bodies))
	}
}
