package embed

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// rerankRequest is what the endpoint gets, in either shape.
type rerankRequest struct {
	Model     string   `json:"model"`
	Query     string   `json:"query"`
	Documents []string `json:"documents"`
	Texts     []string `json:"texts"`
	Truncate  bool     `json:"truncate"`
}

// reranking returns a reranker that asks an endpoint, which answers with handle.
func reranking(t *testing.T, c HTTPRerankerConfig, handle func(w http.ResponseWriter, r *http.Request, body rerankRequest)) *HTTPReranker {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var body rerankRequest
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
			t.Errorf("endpoint got a bad body: %v", err)
		}
		handle(w, r, body)
	}))
	t.Cleanup(server.Close)
	c.URL = server.URL + "/v2/rerank"
	c.Client = server.Client()
	setDefault(&c.Model, "m")
	h, err := NewHTTPReranker(c)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// scored answers as good endpoints do, the best first: the score of a text is
// its length.
func scored(texts []string, score string) string {
	order := make([]int, len(texts))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return len(texts[b]) - len(texts[a]) })
	var items []string
	for _, i := range order {
		items = append(items, fmt.Sprintf(`{"index":%d,%q:%d.5,"document":{"text":"…"}}`, i, score, len(texts[i])))
	}
	return "[" + strings.Join(items, ",") + "]"
}

func TestHTTPRerankerShapes(t *testing.T) {
	passages := []string{"a", "long one", "", "two"}
	want := []float32{1.5, 8.5, 0.5, 3.5}
	for _, c := range []struct {
		api    RerankAPI
		answer func(rerankRequest) string
		bodies []rerankRequest
	}{
		{"", func(r rerankRequest) string {
			return `{"id":"x","results":` + scored(r.Documents, "relevance_score") + `,"meta":{}}`
		}, []rerankRequest{
			{Model: "m", Query: "q", Documents: passages[:3]}, {Model: "m", Query: "q", Documents: passages[3:]},
		}},
		{TEIRerank, func(r rerankRequest) string { return " " + scored(r.Texts, "score") }, []rerankRequest{
			{Query: "q", Texts: passages[:3], Truncate: true}, {Query: "q", Texts: passages[3:], Truncate: true},
		}},
	} {
		var bodies []rerankRequest
		h := reranking(t, HTTPRerankerConfig{API: c.api, APIKey: "secret", BatchTexts: 3}, func(w http.ResponseWriter, r *http.Request, body rerankRequest) {
			if r.Method != http.MethodPost || r.URL.Path != "/v2/rerank" || r.Header.Get("Authorization") != "Bearer secret" {
				t.Errorf("got %s %s, authorization %q", r.Method, r.URL, r.Header.Get("Authorization"))
			}
			bodies = append(bodies, body)
			fmt.Fprint(w, c.answer(body))
		})
		got, err := h.Score(t.Context(), "q", passages)
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%q: Score = %v, %v, want %v", c.api, got, err, want)
		}
		if d := cmp.Diff(c.bodies, bodies); d != "" {
			t.Errorf("%q: requests (-want +got):\n%s", c.api, d)
		}
		if got, err := h.Score(t.Context(), "q", nil); err != nil || len(got) != 0 || len(bodies) != 2 {
			t.Errorf("%q: Score of nothing = %v, %v after %d requests", c.api, got, err, len(bodies))
		}
	}
}

// TestHTTPRerankerEcho: an endpoint may send the passages back, and write them as
// it likes.
func TestHTTPRerankerEcho(t *testing.T) {
	passage := strings.Repeat("é", 600_000)
	h := reranking(t, HTTPRerankerConfig{}, func(w http.ResponseWriter, _ *http.Request, _ rerankRequest) {
		fmt.Fprintf(w, `{"results":[{"index":0,"relevance_score":1,"document":"%s"}]}`, strings.Repeat(`\u00e9`, 600_000))
	})
	if got, err := h.Score(t.Context(), "q", []string{passage}); err != nil || !slices.Equal(got, []float32{1}) {
		t.Errorf("Score = %v, %v", got, err)
	}
}

func TestHTTPRerankerContract(t *testing.T) {
	for answer, want := range map[string]string{
		`{"results":[{"index":0,"relevance_score":1}]}`:                                    "1 scores for 2 passages",
		`{"results":[{"index":0,"relevance_score":1},{"index":0,"relevance_score":1}]}`:    "index 0 occurs twice",
		`{"results":[{"index":0,"relevance_score":1},{"index":2,"relevance_score":1}]}`:    "index 2 in the response to 2 passages",
		`{"results":[{"index":0,"relevance_score":1},{"index":-1,"relevance_score":1}]}`:   "index -1",
		`{"results":[{"index":0,"relevance_score":1},{"relevance_score":1}]}`:              "score 1 has no index",
		`{"results":[{"index":0,"relevance_score":null},{"index":1,"relevance_score":1}]}`: "the passage with index 0 has no score",
		`[{"index":0,"score":1},{"index":1,"score":"2"}]`:                                  "cannot unmarshal",
		`[{"index":0,"score":1},{"index":1,"score":1e300}]`:                                "the score with index 1 is 1e+300",
		`[{"index":0,"score":1},{"index":1,"score":NaN}]`:                                  "invalid character",
		`{"error":"overloaded"}`: "0 scores for 2 passages",
		``:                       "unexpected end",
		`[{"index":0,"score":1},{"index":1,"score":1,"document":"` + strings.Repeat("x", 2<<20) + `"}]`: "too long",
	} {
		h := reranking(t, HTTPRerankerConfig{}, func(w http.ResponseWriter, _ *http.Request, _ rerankRequest) { fmt.Fprint(w, answer) })
		got, err := h.Score(t.Context(), "q", []string{"a", "b"})
		if got != nil || !errors.Is(err, ErrRerankContract) || strings.Contains(err.Error(), "embeddings") || !strings.Contains(err.Error(), want) || !strings.HasPrefix(err.Error(), "score passages 1 to 2 of 2 with m at 127.0.0.1") {
			t.Errorf("%.80s: Score = %v, %v, want %v with %q", answer, got, err, ErrRerankContract, want)
		}
	}
}

func TestHTTPRerankerRetries(t *testing.T) {
	var calls atomic.Int32
	status := http.StatusServiceUnavailable
	h := reranking(t, HTTPRerankerConfig{MaxRetries: 1}, func(w http.ResponseWriter, _ *http.Request, body rerankRequest) {
		if calls.Add(1) == 1 {
			w.Header().Set("Retry-After", "0")
			http.Error(w, "busy", status)
			return
		}
		fmt.Fprint(w, scored(body.Documents, "score"))
	})
	if got, err := h.Score(t.Context(), "q", []string{"a"}); err != nil || calls.Load() != 2 || len(got) != 1 {
		t.Errorf("Score of a busy endpoint = %v, %v after %d requests", got, err, calls.Load())
	}
	calls.Store(0)
	status = http.StatusUnauthorized
	if _, err := h.Score(t.Context(), "q", []string{"a"}); err == nil || errors.Is(err, ErrRerankerUnavailable) || calls.Load() != 1 {
		t.Errorf("Score without a right = %v after %d requests, want an error after one", err, calls.Load())
	}
	down := reranking(t, HTTPRerankerConfig{MaxRetries: -1}, func(w http.ResponseWriter, _ *http.Request, _ rerankRequest) {
		http.Error(w, "busy", http.StatusBadGateway)
	})
	if _, err := down.Score(t.Context(), "q", []string{"a"}); !errors.Is(err, ErrRerankerUnavailable) {
		t.Errorf("Score of an endpoint that is down = %v, want %v", err, ErrRerankerUnavailable)
	}
}

func TestNewHTTPReranker(t *testing.T) {
	for want, c := range map[string]HTTPRerankerConfig{
		`the URL is "ftp://x", want http://HOST`:     {URL: "ftp://x", Model: "m"},
		`the URL is "", want http://HOST`:            {Model: "m"},
		"model is empty":                             {URL: "http://x/rerank"},
		`API is "rest", want "cohere" or "tei"`:      {URL: "http://x/rerank", Model: "m", API: "rest"},
		"timeout -1s":                                {URL: "http://x/rerank", Model: "m", Timeout: -time.Second},
		"the URL cannot be parsed, want http://HOST": {URL: "http://x:port/", Model: "m"},
	} {
		if _, err := NewHTTPReranker(c); err == nil || !strings.HasPrefix(err.Error(), "configure HTTP reranker: "+want) {
			t.Errorf("NewHTTPReranker = %v, want %q", err, want)
		}
	}
	a, err := NewHTTPReranker(HTTPRerankerConfig{URL: "http://x/rerank", Model: "m"})
	if err != nil {
		t.Fatal(err)
	}
	b, err := NewHTTPReranker(HTTPRerankerConfig{URL: "http://y/rerank", Model: "n"})
	if err != nil {
		t.Fatal(err)
	}
	if a.Info().Fingerprint == b.Info().Fingerprint || a.Info().Name != "m" {
		t.Errorf("Info() = %+v and %+v", a.Info(), b.Info())
	}
}

// TestHTTPRerankerHidesURL: what clients of a server are told of a failed request
// has no key in it, and a slow endpoint is no end of their own deadline.
func TestHTTPRerankerHidesURL(t *testing.T) {
	stall := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body) // so that the server sees the client go
		select {
		case <-r.Context().Done():
		case <-stall:
		}
	}))
	defer server.Close()
	defer close(stall)
	gone := httptest.NewServer(nil)
	gone.Close()
	for _, url := range []string{server.URL, gone.URL} {
		h, err := NewHTTPReranker(HTTPRerankerConfig{URL: url + "/rerank?key=sk-12345", Model: "m", Timeout: 20 * time.Millisecond, MaxRetries: -1})
		if err != nil {
			t.Fatal(err)
		}
		_, err = h.Score(t.Context(), "q", []string{"p"})
		if !errors.Is(err, ErrRerankerUnavailable) || errors.Is(err, context.DeadlineExceeded) || strings.Contains(err.Error(), "sk-12345") {
			t.Errorf("Score at %s = %v", url, err)
		}
	}
	if _, err := NewHTTPReranker(HTTPRerankerConfig{URL: "http://u:sk-12345@ho st/", Model: "m"}); err == nil || strings.Contains(err.Error(), "sk-12345") {
		t.Errorf("a URL that cannot be parsed = %v", err)
	}
}
