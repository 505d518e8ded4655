package ingest

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/ragloop/ragloop/internal/text"
)

// list returns the ids of src, a failed document as "id!" and a fatal error as "!".
func list(t *testing.T, src Source) (ids []string) {
	t.Helper()
	for item, err := range src.Items(t.Context()) {
		id := string(item.ID)
		if err != nil {
			id += "!"
		}
		ids = append(ids, id)
	}
	return ids
}

func TestConcat(t *testing.T) {
	a, b := texts("a", "1", "b", "2"), texts("c", "3")
	if got := list(t, Concat(a, b)); !slices.Equal(got, []string{"a", "b", "c"}) {
		t.Errorf("ids %q", got)
	}
	fatal := FS(os.DirFS(filepath.Join(t.TempDir(), "missing")), FSOptions{})
	if got := list(t, Concat(a, fatal, b)); !slices.Equal(got, []string{"a", "b", "!"}) {
		t.Errorf("with a source that fails: %q", got)
	}
	part := seq(func(yield func(Item, error) bool) {
		_ = yield(Item{}, fmt.Errorf("walk: %w", &Unlisted{"private", os.ErrPermission})) && yield(Text("z", "", "4"), nil)
	})
	if got := list(t, Concat(a, part, b)); !slices.Equal(got, []string{"a", "b", "!", "z", "c"}) {
		t.Errorf("with a part that cannot be listed: %q", got)
	}
	for range Concat(a, b).Items(t.Context()) {
		break
	}
	if got := list(t, Concat()); got != nil {
		t.Errorf("of nothing: %q", got)
	}
}

func TestTextItem(t *testing.T) {
	item := Text("d", "Title", "x\r\ny")
	r, err := item.Open()
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(r)
	if err != nil || string(b) != "x\r\ny" || item.ID != text.DocID("d") || !strings.HasPrefix(item.MediaType, "text/plain") {
		t.Errorf("item %+v holds %q, %v", item, b, err)
	}
}
