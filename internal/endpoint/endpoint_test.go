package endpoint

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ragloop/ragloop/internal/away"
)

// trip makes a function the transport of a client, so that a test can run on a
// fake clock.
type trip func(*http.Request) (*http.Response, error)

func (f trip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func newEndpoint(t *testing.T, c Config) *Endpoint {
	t.Helper()
	e, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func TestPost(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if r.Method != http.MethodPost || r.URL.Path != "/predict" || r.URL.RawQuery != "v=1" ||
			r.Header.Get("Authorization") != "Bearer secret" || r.Header.Get("Content-Type") != "application/json" {
			t.Errorf("request %s %s with header %v", r.Method, r.URL, r.Header)
		}
		w.Write(append(body, '!'))
	}))
	defer server.Close()
	e := newEndpoint(t, Config{URL: server.URL + "/predict?v=1", APIKey: "secret"})
	got, err := e.Post(t.Context(), []byte(`{}`))
	if string(got) != "{}!" || err != nil {
		t.Errorf("Post = %q, %v", got, err)
	}
	if !strings.HasPrefix(e.Host(), "127.0.0.1:") {
		t.Errorf("Host() = %q", e.Host())
	}
}

func TestPostFollowsNoRedirect(t *testing.T) {
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		t.Error("the request went on to another address")
	}))
	defer elsewhere.Close()
	server := httptest.NewServer(http.RedirectHandler(elsewhere.URL+"/v1?key=hidden", http.StatusTemporaryRedirect))
	defer server.Close()
	_, err := newEndpoint(t, Config{URL: server.URL}).Post(t.Context(), nil)
	var status *StatusError
	if !errors.As(err, &status) || status.Code != http.StatusTemporaryRedirect {
		t.Errorf("Post = %v, want the status 307", err)
	} else if want := "leads to " + elsewhere.URL + "/v1"; !strings.HasSuffix(err.Error(), want) {
		t.Errorf("Post = %v, want that it %s", err, want)
	}
}

// response makes a response; header are keys and values in turn.
func response(code int, body string, header ...string) func() (*http.Response, error) {
	return func() (*http.Response, error) {
		w := httptest.NewRecorder()
		for i := 0; i < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(code)
		io.WriteString(w, body)
		return w.Result(), nil
	}
}

type errorReader struct{}

func (errorReader) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

func TestRetry(t *testing.T) {
	status := func(code int, header ...string) func() (*http.Response, error) { return response(code, "", header...) }
	broken := func() (*http.Response, error) { return nil, errors.New("connection reset") }
	cut := func() (*http.Response, error) {
		r, _ := status(200)()
		r.Body = io.NopCloser(errorReader{})
		return r, nil
	}
	ok := status(200)
	type attempts []func() (*http.Response, error)
	for _, c := range []struct {
		name        string
		attempts    attempts
		least, most time.Duration // from the first to the last attempt
		text        string        // of the error; empty: success
		unavailable bool
	}{
		{"server errors", attempts{status(500), status(503), status(429), ok}, time.Second, 4 * time.Second, "", false},
		{"network", attempts{broken, cut, ok}, 500 * time.Millisecond, 3 * time.Second, "", false},
		{"seconds", attempts{status(429, "Retry-After", "17"), ok}, 17 * time.Second, 17 * time.Second, "", false},
		{"date", attempts{status(503, "Retry-After", "Sat, 01 Jan 2000 00:00:42 GMT"), ok}, 42 * time.Second, 42 * time.Second, "", false},
		{"past date", attempts{status(503, "Retry-After", "Fri, 31 Dec 1999 00:00:42 GMT"), ok}, 0, 0, "", false},
		{"bad header", attempts{status(429, "Retry-After", "soon"), ok}, 200 * time.Millisecond, time.Second, "", false},
		{"too long a pause", attempts{status(429, "Retry-After", "3600")}, 0, 0, "429 Too Many Requests: no message (retry after 1h0m0s)", false},
		{"given up", attempts{status(500), status(500), status(500), status(502)}, time.Second, 4 * time.Second, "502 Bad Gateway", true},
		{"network gone", attempts{broken, broken, broken, broken}, time.Second, 4 * time.Second, "connection reset", true},
		{"the same 500 again", attempts{response(500, `{"detail":"grammar is invalid"}`), response(500, `{"detail":"grammar is invalid"}`)}, 200 * time.Millisecond, time.Second, "500 Internal Server Error: grammar is invalid", true},
		{"other words each time", attempts{response(500, "a"), response(500, "b"), response(500, "a"), response(500, "a")}, time.Second, 4 * time.Second, "500 Internal Server Error: a", true},
		{"the same 500, not at once", attempts{response(500, "a"), broken, response(500, "a"), ok}, time.Second, 4 * time.Second, "", false},
		{"the same 500 with a pause", attempts{response(500, "a"), response(500, "a", "Retry-After", "1"), ok}, 1200 * time.Millisecond, 2 * time.Second, "", false},
		{"the same 500 without words of its own", attempts{response(500, "Internal Server Error"), response(500, "Internal Server Error"), response(500, "<h1>500 Internal Server Error</h1>"), ok}, time.Second, 4 * time.Second, "", false},
		{"the same 502", attempts{response(502, "a"), response(502, "a"), ok}, 600 * time.Millisecond, 3 * time.Second, "", false},
		{"the same 503", attempts{response(503, "a"), response(503, "a"), ok}, 600 * time.Millisecond, 3 * time.Second, "", false},
		{"the same 504", attempts{response(504, "a"), response(504, "a"), ok}, 600 * time.Millisecond, 3 * time.Second, "", false},
		{"the same 429", attempts{response(429, "a"), response(429, "a"), ok}, 600 * time.Millisecond, 3 * time.Second, "", false},
		{"unauthorized", attempts{status(401)}, 0, 0, "401 Unauthorized", false},
		{"not found", attempts{status(500), status(404)}, 200 * time.Millisecond, time.Second, "404 Not Found", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { // its clock starts at 2000-01-01
				start, made := time.Now(), 0
				client := &http.Client{Transport: trip(func(r *http.Request) (*http.Response, error) {
					if body, err := io.ReadAll(r.Body); err != nil || string(body) != "{}" {
						t.Errorf("attempt %d has the body %q, %v", made, body, err)
					}
					made++
					return c.attempts[made-1]()
				})}
				e := newEndpoint(t, Config{URL: "http://user:password@chat.example/x?key=hidden", Client: client, MaxRetries: 3, APIKey: "secret"})
				_, err := e.Post(t.Context(), []byte("{}"))
				if made != len(c.attempts) {
					t.Errorf("%d attempts, want %d", made, len(c.attempts))
				}
				if elapsed := time.Since(start); elapsed < c.least || elapsed > c.most {
					t.Errorf("took %v, want %v to %v", elapsed, c.least, c.most)
				}
				if (err == nil) != (c.text == "") || err != nil && !strings.Contains(err.Error(), c.text) {
					t.Errorf("Post error = %v, want one with %q", err, c.text)
				}
				for _, hidden := range []string{"secret", "password", "hidden"} {
					if err != nil && strings.Contains(err.Error(), hidden) {
						t.Errorf("Post error = %v, which shows %q", err, hidden)
					}
				}
				if errors.Is(err, ErrUnavailable) != c.unavailable {
					t.Errorf("Post error = %v, want ErrUnavailable: %v", err, c.unavailable)
				}
			})
		})
	}
}

func TestTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		attempts := 0
		client := &http.Client{Transport: trip(func(r *http.Request) (*http.Response, error) {
			attempts++
			<-r.Context().Done() // hangs
			return nil, r.Context().Err()
		})}
		e := newEndpoint(t, Config{URL: "http://chat.example", Client: client, Timeout: time.Second, MaxRetries: 1})
		_, err := e.Post(t.Context(), nil)
		if !errors.Is(err, ErrUnavailable) || errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "no response within 1s") || attempts != 2 {
			t.Errorf("Post = %v after %d attempts, want 2 and what took too long", err, attempts)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
		defer cancel()
		if _, err := e.Post(ctx, nil); !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, ErrUnavailable) {
			t.Errorf("Post = %v, want the caller's %v", err, context.DeadlineExceeded)
		}
	})
}

// TestRetryBeyondDeadline: nobody waits for an attempt that would come too late.
func TestRetryBeyondDeadline(t *testing.T) {
	for pause, want := range map[string]time.Duration{"9": 9 * time.Second, "10": 0, "200": 0} {
		synctest.Test(t, func(t *testing.T) {
			attempts := 0
			client := &http.Client{Transport: trip(func(*http.Request) (*http.Response, error) {
				if attempts++; attempts > 1 {
					return response(200, "")()
				}
				return response(429, "busy", "Retry-After", pause)()
			})}
			start := time.Now()
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			_, err := newEndpoint(t, Config{URL: "http://chat.example", Client: client}).Post(ctx, nil)
			if took := time.Since(start); took != want || (err == nil) != (want > 0) {
				t.Errorf("pause of %s s: Post = %v after %v, want %v", pause, err, took, want)
			}
			if err != nil && (!errors.Is(err, ErrUnavailable) || !strings.Contains(err.Error(), "busy (retry after ")) {
				t.Errorf("pause of %s s: Post = %v, want what the endpoint said, and ErrUnavailable", pause, err)
			}
		})
	}
}

func TestConcurrency(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		now, most := 0, 0
		client := &http.Client{Transport: trip(func(*http.Request) (*http.Response, error) {
			mu.Lock()
			now++
			most = max(most, now)
			mu.Unlock()
			time.Sleep(time.Second) // of the fake clock
			mu.Lock()
			now--
			mu.Unlock()
			return response(200, "")()
		})}
		e := newEndpoint(t, Config{URL: "http://chat.example", Client: client, Concurrency: 2})
		unlimited := newEndpoint(t, Config{URL: "http://chat.example", Client: client, Concurrency: -1})
		var group sync.WaitGroup
		for range 5 {
			group.Go(func() {
				if _, err := e.Post(t.Context(), nil); err != nil {
					t.Error(err)
				}
			})
		}
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		synctest.Wait() // both places are taken
		if _, err := e.Post(ended, nil); !errors.Is(err, context.Canceled) {
			t.Errorf("Post with an ended context = %v, want %v", err, context.Canceled)
		}
		group.Wait()
		if most != 2 {
			t.Errorf("%d calls at once, want 2", most)
		}
		for range 5 {
			group.Go(func() {
				if _, err := unlimited.Post(t.Context(), nil); err != nil {
					t.Error(err)
				}
			})
		}
		group.Wait()
		if most != 5 {
			t.Errorf("%d calls at once without a limit, want 5", most)
		}
	})
}

// TestAway: who posts is away all the time, also between attempts and while others have
// all places.
func TestAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var waits atomic.Int32
		ctx := away.Watch(t.Context(), func() (end func()) {
			waits.Add(1)
			return func() { waits.Add(-1) }
		})
		attempts := 0
		client := &http.Client{Transport: trip(func(*http.Request) (*http.Response, error) {
			time.Sleep(time.Second) // of the fake clock
			if attempts++; attempts == 1 {
				return response(503, "busy", "Retry-After", "1")()
			}
			return response(200, "")()
		})}
		e := newEndpoint(t, Config{URL: "http://chat.example", Client: client, Concurrency: 1})
		var group sync.WaitGroup
		for range 2 {
			group.Go(func() {
				if _, err := e.Post(ctx, nil); err != nil {
					t.Error(err)
				}
			})
		}
		// A second for the first attempt, one of pause, one each for the others.
		for at, want := range []int32{2, 2, 2, 1, 0} {
			time.Sleep(500 * time.Millisecond)
			if got := waits.Load(); got != want {
				t.Errorf("after %d s and a half %d are away, want %d", at, got, want)
			}
			time.Sleep(500 * time.Millisecond)
		}
		group.Wait()
	})
}

func TestTooLong(t *testing.T) {
	attempts := 0
	client := &http.Client{Transport: trip(func(*http.Request) (*http.Response, error) {
		attempts++
		return response(200, strings.Repeat(" ", 101))()
	})}
	_, err := newEndpoint(t, Config{URL: "http://chat.example", Client: client, MaxBodyBytes: 100}).Post(t.Context(), nil)
	if !errors.Is(err, ErrTooLong) || errors.Is(err, ErrUnavailable) || attempts != 1 {
		t.Errorf("Post = %v after %d attempts, want %v after 1", err, attempts, ErrTooLong)
	}
	if got, err := newEndpoint(t, Config{URL: "http://chat.example", Client: client, MaxBodyBytes: 100}).PostUpTo(t.Context(), nil, 101); len(got) != 101 || err != nil {
		t.Errorf("PostUpTo with a higher limit = %d bytes, %v", len(got), err)
	}
}

func TestPath(t *testing.T) {
	for base, want := range map[string]string{
		"http://x/v1": "http://x/v1/rerank", "http://x/v1/": "http://x/v1/rerank", "http://x": "http://x/rerank",
		"http://x/v1?api-version=2": "http://x/v1/rerank?api-version=2",
	} {
		var got string
		client := &http.Client{Transport: trip(func(r *http.Request) (*http.Response, error) {
			got = r.URL.String()
			return response(200, "")()
		})}
		if _, err := newEndpoint(t, Config{URL: base, Path: "rerank", Client: client}).Post(t.Context(), nil); err != nil || got != want {
			t.Errorf("with the base %s %s is asked (%v), want %s", base, got, err, want)
		}
	}
}

func TestMessage(t *testing.T) {
	for _, c := range []struct{ body, want string }{
		{`{"error":{"message":"prompt\n is too long","code":"context_length"}}`, "prompt is too long"},
		{`{"error":"model 'x' not found"}`, "model 'x' not found"},
		{`{"object":"error","message":"max_tokens must be at least 1"}`, "max_tokens must be at least 1"},
		{`{"detail":"Not Found"}`, "Not Found"},
		{`{"detail":[{"loc":["body"],"msg":"bad"}]}`, `{"detail":[{"loc":["body"],"msg":"bad"}]}`},
		{`<html> Bad   Gateway </html>`, "<html> Bad Gateway </html>"},
		{"", "no message"},
		{"\xff", "\ufffd"},
		{`{"error":"\u001b[2Jgone"}`, "\ufffd[2Jgone"},
		{`{"error":{"message":"Incorrect API key provided: sk-12345."}}`, "Incorrect API key provided: ********."},
		{`{"error":{"message":"Incorrect API key provided: \u0073k-12345."}}`, "Incorrect API key provided: ********."},
		{strings.Repeat("x", maxErrorText-3) + "sk-12345", strings.Repeat("x", maxErrorText-3) + "***…"},
		{strings.Repeat("é", 200), strings.Repeat("é", 150) + "…"},
	} {
		if got := newEndpoint(t, Config{URL: "http://x", APIKey: "sk-12345"}).Message([]byte(c.body)); got != c.want {
			t.Errorf("Message(%q) = %q, want %q", c.body, got, c.want)
		}
	}
}

func TestRejects(t *testing.T) {
	for code, want := range map[int]bool{400: true, 413: true, 422: true, 401: false, 404: false, 500: false} {
		client := &http.Client{Transport: trip(func(*http.Request) (*http.Response, error) { return response(code, "")() })}
		_, err := newEndpoint(t, Config{URL: "http://x", Client: client, MaxRetries: -1}).Post(t.Context(), nil)
		if got := Rejects(err); got != want {
			t.Errorf("Rejects(%v) = %v, want %v", err, got, want)
		}
	}
}

func TestNewErrors(t *testing.T) {
	for _, c := range []struct {
		config Config
		text   string
	}{
		{Config{}, "want http://HOST"},
		{Config{URL: "ftp://user:secret@x"}, "want http://HOST"},
		{Config{URL: "localhost:8080"}, "want http://HOST"},
		{Config{URL: "http://user:secret@\x01"}, "cannot be parsed"},
		{Config{URL: "http://x", Timeout: -1}, "timeout -1ns"},
		{Config{URL: "http://x", MaxBodyBytes: -1}, "longest body -1"},
		{Config{URL: "http://x", APIKey: "secret\n"}, "white space"},
	} {
		_, err := New(c.config)
		if err == nil || !strings.Contains(err.Error(), c.text) || strings.Contains(err.Error(), "secret") {
			t.Errorf("New(%+v) = %v, want an error with %q", c.config, err, c.text)
		}
	}
}
