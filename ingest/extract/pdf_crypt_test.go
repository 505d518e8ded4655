package extract

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestPDFEncryption reads one page in each of the ways of encryption that
// another program, qpdf, knows.
func TestPDFEncryption(t *testing.T) {
	files, err := filepath.Glob("testdata/encrypted/*.pdf")
	if err != nil || len(files) != 9 {
		t.Fatalf("%d files, error %v", len(files), err)
	}
	for _, name := range files {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		doc, err := Extract(t.Context(), Input{Name: name, Data: data})
		if strings.HasPrefix(filepath.Base(name), "password") {
			if !errors.Is(err, ErrEncrypted) || ReasonOf(err) != ReasonEncrypted || !strings.Contains(err.Error(), "password") {
				t.Errorf("%s: error %v, want ErrEncrypted that mentions the password", name, err)
			}
			continue
		}
		if err != nil || doc.Text != "The vault opens at nine." || doc.Title != "Sealed note" || len(doc.Warnings) > 0 {
			t.Errorf("%s: text %q, title %q, warnings %q, error %v", name, doc.Text, doc.Title, doc.Warnings, err)
		}
		// Damage to the dictionary ends in an error, not in a panic.
		for _, key := range []string{"/U ", "/O ", "/UE ", "/ID ", "/CF ", "/P ", "/V ", "/R ", "/Filter "} {
			broken := bytes.ReplaceAll(data, []byte(key), []byte("/"+strings.Repeat("x", len(key)-2)+" "))
			if _, err := Extract(t.Context(), Input{Name: name, Data: broken}); err != nil && ReasonOf(err) == ReasonCrash {
				t.Errorf("%s without %s: %v", name, key, err)
			}
		}
	}
}

// FuzzPDFEncryption fuzzes encrypted files.
func FuzzPDFEncryption(f *testing.F) {
	files, err := filepath.Glob("testdata/encrypted/*.pdf")
	if err != nil {
		f.Fatal(err)
	}
	for _, name := range files {
		data, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) < 1<<14 {
			fuzzExtract(t, "x.pdf", "application/pdf", string(data))
		}
	})
}
