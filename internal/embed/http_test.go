package embed

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// embeddingsRequest is what the endpoint gets.
type embeddingsRequest struct {
	Model          string   `json:"model"`
	Input          []string `json:"input"`
	EncodingFormat string   `json:"encoding_format"`
}

// respond answers as a good endpoint does, in reverse order: the vector of a text is (length, 1, 0).
func respond(w http.ResponseWriter, r embeddingsRequest) {
	var data []string
	for i, text := range r.Input {
		data = append([]string{fmt.Sprintf(`{"object":"embedding","index":%d,"embedding":[%d, 1e0, 0]}`, i, len(text))}, data...)
	}
	fmt.Fprintf(w, `{"object":"list","data":[%s],"model":%q,"usage":{"prompt_tokens":1}}`, strings.Join(data, ","), r.Model)
}

// serving returns an embedder for an endpoint that answers with handle.
func serving(t *testing.T, c HTTPConfig, handle func(w http.ResponseWriter, r *http.Request, body embeddingsRequest)) *HTTP {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var body embeddingsRequest
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
			t.Errorf("endpoint got a bad body: %v", err)
		}
		handle(w, r, body)
	}))
	t.Cleanup(server.Close)
	c.BaseURL = server.URL + "/v1/"
	c.Client = server.Client()
	return newHTTP(t, c)
}

// newHTTP fills in what most tests do not care for.
func newHTTP(t *testing.T, c HTTPConfig) *HTTP {
	t.Helper()
	setDefault(&c.Model, "m")
	setDefault(&c.Dimension, 3)
	h, err := NewHTTP(c)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func TestHTTP(t *testing.T) {
	var got []embeddingsRequest
	h := serving(t, HTTPConfig{APIKey: "secret", MaxTokens: 100, BatchTexts: 2, QueryPrefix: "query: ", PassagePrefix: "passage: "},
		func(w http.ResponseWriter, r *http.Request, body embeddingsRequest) {
			if r.Method != http.MethodPost || r.URL.Path != "/v1/embeddings" ||
				r.Header.Get("Authorization") != "Bearer secret" || r.Header.Get("Content-Type") != "application/json" {
				t.Errorf("request %s %s with header %v", r.Method, r.URL, r.Header)
			}
			got = append(got, body)
			respond(w, body)
		})
	vectors := embedAll(t, h, Passage, "a", "bcd", "e")
	embedAll(t, h, Query, "a")
	embedAll(t, h, Raw, "a")
	want := []embeddingsRequest{
		{"m", []string{"passage: a", "passage: bcd"}, "float"},
		{"m", []string{"passage: e"}, "float"},
		{"m", []string{"query: a"}, "float"},
		{"m", []string{"a"}, "float"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("requests (-want +got):\n%s", diff)
	}
	for i, length := range []float64{10, 12, 10} {
		if c := cosine(vectors[i], []float32{float32(length), 1, 0}); math.Abs(c-1) > 1e-6 {
			t.Errorf("vector %d = %v, want the direction (%v, 1, 0)", i, vectors[i], length)
		}
	}
	if info := h.Info(); info.Name != "m" || info.Dimension != 3 || info.MaxTokens != 100 {
		t.Errorf("Info() = %+v", info)
	}
	if _, err := h.Embed(context.Background(), 9, []string{"a"}); err == nil {
		t.Error("an unknown task did not fail")
	}
}

func TestHTTPBatchTokens(t *testing.T) {
	var sizes []int
	h := serving(t, HTTPConfig{BatchTokens: 20}, func(w http.ResponseWriter, r *http.Request, body embeddingsRequest) {
		sizes = append(sizes, len(body.Input))
		respond(w, body)
	})
	// Of 3 bytes: 3 tokens; of 300 bytes: 102, more than fit a request, and sent all the same.
	embedAll(t, h, Raw, "aaa", "bbb", strings.Repeat("c", 300), "ddd", "eee", "fff", "ggg", "hhh", "iii", "jjj")
	if diff := cmp.Diff([]int{2, 1, 6, 1}, sizes); diff != "" {
		t.Errorf("texts per request (-want +got):\n%s", diff)
	}
}

func TestHTTPContract(t *testing.T) {
	item := func(index, embedding string) string {
		return fmt.Sprintf(`{"index":%s,"embedding":%s}`, index, embedding)
	}
	good := item("0", "[1,2,2]")
	for _, c := range []struct{ name, body, text string }{
		{"too few", `{"data":[` + good + `]}`, "1 embeddings for 2 texts"},
		{"too many", `{"data":[` + good + `,` + item("1", "[1,2,2]") + `,` + item("2", "[1,2,2]") + `]}`, "3 embeddings for 2 texts"},
		{"none", `{}`, "0 embeddings"},
		{"repeated", `{"data":[` + good + `,` + good + `]}`, "index 0 occurs twice"},
		{"out of range", `{"data":[` + good + `,` + item("2", "[1,2,2]") + `]}`, "index 2 in the response to 2 texts"},
		{"negative", `{"data":[` + item("-1", "[1,2,2]") + `,` + good + `]}`, "index -1"},
		{"no index", `{"data":[` + good + `,{"embedding":[1,2,2]}]}`, "embedding 1 has no index"},
		{"short", `{"data":[` + good + `,` + item("1", "[1,2]") + `]}`, "index 1 has dimension 2, want 3"},
		{"empty", `{"data":[` + good + `,` + item("1", "[ ]") + `]}`, "dimension 0"},
		{"zero", `{"data":[` + good + `,` + item("1", "[0,0,-0.0]") + `]}`, "index 1 is zero"},
		{"null", `{"data":[` + good + `,` + item("1", "[1,null,2]") + `]}`, `component "null"`},
		{"null vector", `{"data":[` + good + `,` + item("1", "null") + `]}`, `embedding is "null"`},
		{"NaN", `{"data":[` + good + `,` + item("1", "[1,NaN,2]") + `]}`, "invalid character 'N'"},
		{"infinite", `{"data":[` + good + `,` + item("1", "[1,1e999,2]") + `]}`, `component "1e999"`},
		{"strings", `{"data":[` + good + `,` + item("1", `["1","2","3"]`) + `]}`, "component"},
		{"base64", `{"data":[` + good + `,` + item("1", `"AACAPw=="`) + `]}`, "want an array of numbers"},
		{"cut", `{"data":[` + good, "unexpected end"},
		{"HTML", `<html>`, "invalid character '<'"},
		{"endless", `{"data":[` + strings.Repeat(" ", maxOverhead+2*3*maxNumber) + `]}`, "too long: more than"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var requests atomic.Int32
			h := serving(t, HTTPConfig{}, func(w http.ResponseWriter, _ *http.Request, _ embeddingsRequest) {
				requests.Add(1)
				io.WriteString(w, c.body)
			})
			got, err := h.Embed(context.Background(), Raw, []string{"a", "b"})
			if !errors.Is(err, ErrContract) || !strings.Contains(err.Error(), c.text) || len(got) != 0 {
				t.Errorf("Embed = %v, %v, want %v with %q", got, err, ErrContract, c.text)
			}
			if n := requests.Load(); n != 1 {
				t.Errorf("%d requests, want 1: a broken contract is not retried", n)
			}
		})
	}
}

func TestHTTPPrefix(t *testing.T) {
	h := serving(t, HTTPConfig{BatchTexts: 2}, func(w http.ResponseWriter, _ *http.Request, body embeddingsRequest) {
		if body.Input[0] == "e" {
			w.WriteHeader(http.StatusForbidden)
			io.WriteString(w, `{"error":{"message":"not\n for you"}}`)
			return
		}
		respond(w, body)
	})
	got, err := h.Embed(context.Background(), Raw, []string{"a", "b", "c", "d", "e", "f"})
	if len(got) != 4 || err == nil || !strings.Contains(err.Error(), "embed texts 5 to 6 of 6 with m at 127.0.0.1:") ||
		!strings.Contains(err.Error(), "403 Forbidden: not for you") {
		t.Errorf("Embed = %d vectors, %v, want 4 and the endpoint's message", len(got), err)
	}
}

// trip makes a function the transport of a client, so that a test can run on a
// fake clock.
type trip func(*http.Request) (*http.Response, error)

func (f trip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestHTTPRetry(t *testing.T) {
	status := func(code int, header ...string) func() (*http.Response, error) {
		return func() (*http.Response, error) {
			w := httptest.NewRecorder()
			for i := 0; i < len(header); i += 2 {
				w.Header().Set(header[i], header[i+1])
			}
			w.WriteHeader(code)
			if code == http.StatusOK {
				respond(w, embeddingsRequest{Model: "m", Input: []string{"a"}})
			}
			return w.Result(), nil
		}
	}
	broken := func() (*http.Response, error) { return nil, errors.New("connection reset") }
	cut := func() (*http.Response, error) {
		r, _ := status(200)()
		r.Body = io.NopCloser(io.MultiReader(strings.NewReader(`{"data":[`), errorReader{}))
		return r, nil
	}
	ok := status(200)
	for _, c := range []struct {
		name        string
		attempts    []func() (*http.Response, error)
		least, most time.Duration // from the first to the last attempt
		text        string        // of the error; empty: success
		made        int
	}{
		{"server errors", []func() (*http.Response, error){status(500), status(503), status(429), ok}, time.Second, 4 * time.Second, "", 4},
		{"network", []func() (*http.Response, error){broken, cut, ok}, 500 * time.Millisecond, 3 * time.Second, "", 3},
		{"seconds", []func() (*http.Response, error){status(429, "Retry-After", "17"), ok}, 17 * time.Second, 17 * time.Second, "", 2},
		{"date", []func() (*http.Response, error){status(503, "Retry-After", "Sat, 01 Jan 2000 00:00:42 GMT"), ok}, 42 * time.Second, 42 * time.Second, "", 2},
		{"past date", []func() (*http.Response, error){status(503, "Retry-After", "Fri, 31 Dec 1999 00:00:42 GMT"), ok}, 0, 0, "", 2},
		{"too long a pause", []func() (*http.Response, error){status(429, "Retry-After", "3600")}, 0, 0, "429 Too Many Requests: no message (retry after 1h0m0s)", 1},
		{"bad header", []func() (*http.Response, error){status(429, "Retry-After", "soon"), ok}, 200 * time.Millisecond, time.Second, "", 2},
		{"given up", []func() (*http.Response, error){status(500), status(500), status(500), status(502)}, time.Second, 4 * time.Second, "502 Bad Gateway", 4},
		{"unauthorized", []func() (*http.Response, error){status(401)}, 0, 0, "401 Unauthorized", 1},
		{"not found", []func() (*http.Response, error){status(500), status(404)}, 200 * time.Millisecond, time.Second, "404 Not Found", 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { // its clock starts at 2000-01-01
				start, made := time.Now(), 0
				client := &http.Client{Transport: trip(func(r *http.Request) (*http.Response, error) {
					if body, err := io.ReadAll(r.Body); err != nil || !strings.Contains(string(body), `"input":["a"]`) {
						t.Errorf("attempt %d has the body %q, %v", made, body, err)
					}
					made++
					return c.attempts[made-1]()
				})}
				h := newHTTP(t, HTTPConfig{BaseURL: "http://embed.example", Client: client, MaxRetries: 3, APIKey: "secret"})
				got, err := h.Embed(t.Context(), Raw, []string{"a"})
				if made != c.made {
					t.Errorf("%d attempts, want %d", made, c.made)
				}
				if elapsed := time.Since(start); elapsed < c.least || elapsed > c.most {
					t.Errorf("took %v, want %v to %v", elapsed, c.least, c.most)
				}
				switch {
				case c.text == "" && (err != nil || len(got) != 1):
					t.Errorf("Embed = %v, %v", got, err)
				case c.text != "" && (err == nil || !strings.Contains(err.Error(), c.text) || strings.Contains(err.Error(), "secret")):
					t.Errorf("Embed error = %v, want one with %q and without the key", err, c.text)
				}
				if errors.Is(err, ErrUnavailable) != (c.name == "given up") {
					t.Errorf("Embed error = %v, which wraps ErrUnavailable: %v", err, errors.Is(err, ErrUnavailable))
				}
			})
		})
	}
}

type errorReader struct{}

func (errorReader) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

func TestHTTPCancel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		attempts := 0
		client := &http.Client{Transport: trip(func(r *http.Request) (*http.Response, error) {
			attempts++
			<-r.Context().Done() // hangs
			return nil, r.Context().Err()
		})}
		h := newHTTP(t, HTTPConfig{BaseURL: "http://embed.example", Client: client, Timeout: time.Second})
		if _, err := h.Embed(ctx, Raw, []string{"a"}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Embed = %v, want %v", err, context.DeadlineExceeded)
		}
		if attempts < 2 {
			t.Errorf("%d attempts, want a second one after the first's own timeout", attempts)
		}
	})
}

// TestNoRedirect: what is posted, and the key with it, goes to the configured
// address alone.
func TestNoRedirect(t *testing.T) {
	elsewhere := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		t.Errorf("%s was asked, with the authorization %q", r.URL, r.Header.Get("Authorization"))
	}))
	defer elsewhere.Close()
	server := httptest.NewServer(http.RedirectHandler(elsewhere.URL, http.StatusPermanentRedirect))
	defer server.Close()
	h, err := NewHTTP(HTTPConfig{BaseURL: server.URL, Model: "m", Dimension: 3, APIKey: "secret"})
	if err != nil {
		t.Fatal(err)
	}
	r, err := NewHTTPReranker(HTTPRerankerConfig{URL: server.URL, Model: "m", APIKey: "secret"})
	if err != nil {
		t.Fatal(err)
	}
	_, embedding := h.Embed(t.Context(), Raw, []string{"a"})
	_, reranking := r.Score(t.Context(), "q", []string{"a"})
	for _, err := range []error{embedding, reranking} {
		if err == nil || !strings.Contains(err.Error(), "status 308") || strings.Contains(err.Error(), "secret") {
			t.Errorf("error = %v, want the status 308", err)
		}
	}
}

func TestNewHTTPErrors(t *testing.T) {
	for _, c := range []struct {
		config HTTPConfig
		text   string
	}{
		{HTTPConfig{Model: "m", Dimension: 3}, `configure HTTP embedder: the URL is ""`},
		{HTTPConfig{BaseURL: "ftp://user:secret@x", Model: "m", Dimension: 3}, "want http://HOST"},
		{HTTPConfig{BaseURL: "localhost:8080", Model: "m", Dimension: 3}, "want http://HOST"},
		{HTTPConfig{BaseURL: "http://x", Dimension: 3}, "model is empty"},
		{HTTPConfig{BaseURL: "http://x", Model: "m"}, "dimension is 0"},
		{HTTPConfig{BaseURL: "http://x", Model: "m", Dimension: 1 << 20}, "1 to 65536"},
		{HTTPConfig{BaseURL: "http://x", Model: "m", Dimension: 3, BatchTexts: -1}, "batch texts -1"},
		{HTTPConfig{BaseURL: "http://x", Model: "m", Dimension: 3, Timeout: -1}, "timeout -1ns"},
		{HTTPConfig{BaseURL: "http://x", Model: "m", Dimension: 3, APIKey: "secret\r\nX: y"}, "white space"},
	} {
		_, err := NewHTTP(c.config)
		if err == nil || !strings.Contains(err.Error(), c.text) || strings.Contains(err.Error(), "secret") {
			t.Errorf("NewHTTP(%+v) = %v, want an error with %q", c.config, err, c.text)
		}
	}
}

func TestHTTPFingerprint(t *testing.T) {
	base := HTTPConfig{BaseURL: "http://x/v1", Model: "m", Dimension: 3, QueryPrefix: "a", PassagePrefix: "b"}
	fingerprint := func(change func(*HTTPConfig)) string {
		c := base
		change(&c)
		return newHTTP(t, c).Info().Fingerprint
	}
	same := fingerprint(func(c *HTTPConfig) {})
	for name, change := range map[string]func(*HTTPConfig){
		"host":    func(c *HTTPConfig) { c.BaseURL = "https://y" },
		"key":     func(c *HTTPConfig) { c.APIKey = "k" },
		"batches": func(c *HTTPConfig) { c.BatchTexts = 1 },
	} {
		if got := fingerprint(change); got != same {
			t.Errorf("another %s changes the fingerprint", name)
		}
	}
	for name, change := range map[string]func(*HTTPConfig){
		"model":          func(c *HTTPConfig) { c.Model = "n" },
		"dimension":      func(c *HTTPConfig) { c.Dimension = 4 },
		"query prefix":   func(c *HTTPConfig) { c.QueryPrefix = "c" },
		"passage prefix": func(c *HTTPConfig) { c.PassagePrefix = "" },
		"prefixes":       func(c *HTTPConfig) { c.QueryPrefix, c.PassagePrefix = "", "ab" },
	} {
		if got := fingerprint(change); got == same {
			t.Errorf("another %s does not change the fingerprint", name)
		}
	}
}

func FuzzDecodeEmbeddings(f *testing.F) {
	f.Add([]byte(`{"data":[{"index":0,"embedding":[1,2,2]}]}`))
	f.Add([]byte(`{"data":[{"index":0,"embedding":[1e-320,0,1e308]}]}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		vectors, err := decodeEmbeddings(raw, 1, 3)
		if err != nil {
			if vectors != nil || !errors.Is(err, ErrContract) {
				t.Fatalf("%v, %v", vectors, err)
			}
			return
		}
		var squares float64
		for _, x := range vectors[0] {
			squares += float64(x) * float64(x)
		}
		if len(vectors) != 1 || len(vectors[0]) != 3 || !(math.Abs(squares-1) < 1e-5) {
			t.Fatalf("vectors = %v", vectors)
		}
	})
}
