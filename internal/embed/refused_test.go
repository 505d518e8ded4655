package embed

import (
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/ragloop/ragloop/internal/endpoint"
)

// numbered returns n texts, those at bad with the word "bad".
func numbered(n int, bad ...int) []string {
	texts := make([]string, n)
	for i := range texts {
		texts[i] = fmt.Sprintf("text %03d", i)
	}
	for _, i := range bad {
		texts[i] += " bad"
	}
	return texts
}

// The endpoint's rejection of a batch is brought home to one text, and the texts
// before it have their vectors.
func TestRefusedText(t *testing.T) {
	for name, tt := range map[string]struct {
		texts  []string
		reject func(input []string) int // the status; 0: none
		want   int                      // vectors
		most   int                      // requests
		err    string                   // "": none
	}{
		"one of many": {numbered(64, 37), status(http.StatusBadRequest, "bad"), 37, 12, "the endpoint refuses this text: status 400 Bad Request: no"},
		"the first":   {numbered(64, 0, 63), status(http.StatusUnprocessableEntity, "bad"), 0, 8, "the endpoint refuses this text: status 422"},
		"the last":    {numbered(64, 63), status(http.StatusRequestEntityTooLarge, "bad"), 63, 14, "the endpoint refuses this text: status 413"},
		"alone":       {numbered(1, 0), status(http.StatusBadRequest, "bad"), 0, 2, "embed with m at "},
		"every text":  {numbered(64), status(http.StatusBadRequest, ""), 0, 2, "embed texts 1 to 64 of 64 with m at "},
		"unavailable": {numbered(64, 3), func(input []string) int {
			if len(input) == 1 {
				return http.StatusForbidden // not the texts' fault
			}
			return http.StatusBadRequest
		}, 0, 2, "status 403"},
		"too many": {numbered(64), func(input []string) int {
			if len(input) > 16 {
				return http.StatusRequestEntityTooLarge
			}
			return 0
		}, 64, 8, ""},
	} {
		requests := 0
		h := serving(t, HTTPConfig{}, func(w http.ResponseWriter, _ *http.Request, body embeddingsRequest) {
			requests++
			if code := tt.reject(body.Input); code != 0 {
				w.WriteHeader(code)
				fmt.Fprint(w, `{"error":"no"}`)
				return
			}
			respond(w, body)
		})
		got, err := h.Embed(t.Context(), Raw, tt.texts)
		if len(got) != tt.want || requests > tt.most {
			t.Errorf("%s: %d vectors after %d requests, want %d after at most %d", name, len(got), requests, tt.want, tt.most)
		}
		refused := slices.Contains([]string{"one of many", "the first", "the last", "alone"}, name)
		if (err == nil) != (tt.err == "") || err != nil && !strings.Contains(err.Error(), tt.err) || errors.Is(err, ErrRefused) != refused {
			t.Errorf("%s: error %v, want %q", name, err, tt.err)
		}
		for i, v := range got {
			if v[0] <= 0.9 {
				t.Errorf("%s: vector %d is %v", name, i, v)
			}
		}
	}
}

// status rejects inputs that have the word.
func status(code int, word string) func([]string) int {
	return func(input []string) int {
		if slices.ContainsFunc(input, func(s string) bool { return strings.Contains(s, word) }) {
			return code
		}
		return 0
	}
}

// Through the cache a refused text is still the first one without a vector, though
// some behind it are known, and nothing before it is asked for again.
func TestRefusedTextBehindCache(t *testing.T) {
	requests := 0
	h := serving(t, HTTPConfig{}, func(w http.ResponseWriter, _ *http.Request, body embeddingsRequest) {
		requests++
		if status(400, "bad")(body.Input) != 0 {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		respond(w, body)
	})
	c := openCache(t, filepath.Join(t.TempDir(), "cache.db"), h)
	texts := numbered(6, 3)
	embedAll(t, c, Raw, texts[1], texts[4])
	got, err := c.Embed(t.Context(), Raw, texts)
	if len(got) != 3 || !errors.Is(err, ErrRefused) || !endpoint.Rejects(err) {
		t.Errorf("Embed = %d vectors, %v; want the 3 before the one that is refused", len(got), err)
	}
	requests = 0
	embedAll(t, c, Raw, texts[:3]...)
	if requests != 0 {
		t.Errorf("%d requests for what was embedded before", requests)
	}
}
