package judge

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ragloop/ragloop/evalret/ground"
	"github.com/ragloop/ragloop/internal/chat"
	"github.com/ragloop/ragloop/internal/endpoint"
	"github.com/ragloop/ragloop/internal/text"
)

// newNLI returns a judge whose endpoint answers with handle.
func newNLI(t *testing.T, c NLIConfig, handle func(w http.ResponseWriter, body []byte)) *NLI {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil || r.URL.Path != "/predict" {
			t.Errorf("request %s: %v", r.URL, err)
		}
		handle(w, body)
	}))
	t.Cleanup(server.Close)
	c.Endpoint.URL = server.URL + "/predict"
	n, err := NewNLI(c)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// classify is the fake classifier: a premise with all words of the hypothesis
// entails it, one with "not" contradicts it.
func classify(premise, hypothesis string) (entails, neutral, contradicts float64) {
	if strings.Contains(premise, " not ") {
		return 0.1, 0.2, 0.7
	}
	words := strings.Fields(hypothesis)
	n := 0
	for _, w := range words {
		if strings.Contains(premise, w) {
			n++
		}
	}
	share := float64(n) / float64(len(words))
	return share * 0.9, 1 - share*0.9, 0
}

func tei(w http.ResponseWriter, body []byte) {
	var in struct{ Inputs [][2]string }
	if err := json.Unmarshal(body, &in); err != nil {
		w.WriteHeader(http.StatusUnprocessableEntity)
		return
	}
	type label struct {
		Score float64 `json:"score"`
		Label string  `json:"label"`
	}
	out := [][]label{}
	for _, p := range in.Inputs {
		e, n, c := classify(p[0], p[1])
		out = append(out, []label{{n, "NEUTRAL"}, {c, "CONTRADICTION"}, {e, "ENTAILMENT"}})
	}
	json.NewEncoder(w).Encode(out)
}

const trip = "Flights are booked in advance.\n\nThe hotel limit is 140 EUR.\n\nBreakfast is paid.\n\nTaxis are not paid.\n\nTrains are first class.\n\nMeals cost money."

func TestNLI(t *testing.T) {
	claims := []string{"hotel limit is 140 EUR", "Taxis are paid", "Dogs bark"}
	var requests, pairs atomic.Int64
	n := newNLI(t, NLIConfig{BatchPairs: 4}, func(w http.ResponseWriter, body []byte) {
		requests.Add(1)
		var in struct{ Inputs [][2]string }
		json.Unmarshal(body, &in)
		pairs.Add(int64(len(in.Inputs)))
		tei(w, body)
	})
	got, err := n.Judge(t.Context(), trip, claims)
	if err != nil {
		t.Fatal(err)
	}
	if got[0].Support != 0.9 || !strings.Contains(trip[got[0].Evidence.Start:got[0].Evidence.End], "140 EUR") || got[0].Findings != nil {
		t.Errorf("an entailed claim: %+v", got[0])
	}
	if got[1].Support > 0.65 || len(got[1].Findings) != 1 || got[1].Findings[0].Check != Contradiction || got[1].Note != "contradicted with probability 0.70" {
		t.Errorf("a contradicted claim: %+v", got[1])
	}
	if got[2].Support >= 0.2 {
		t.Errorf("an unsupported claim: %+v", got[2])
	}
	if c, err := n.Cost(trip, claims); err != nil || c != (NLICost{Requests: 3, Pairs: 9}) || requests.Load() != 3 || pairs.Load() != 9 {
		t.Errorf("%d requests with %d pairs, Cost says %v, %v, want 3, 9", requests.Load(), pairs.Load(), c, err)
	}
}

// TestNLIStore: a pair is asked about once, and what was rejected again.
func TestNLIStore(t *testing.T) {
	store, err := chat.OpenStore(filepath.Join(t.TempDir(), "answers.db"), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	asked := 0
	n := newNLI(t, NLIConfig{Shape: HF, Windows: 1, Store: store}, func(w http.ResponseWriter, body []byte) {
		asked++
		if strings.Contains(string(body), "trains") {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		io.WriteString(w, `[{"label":"entailment","score":0.7},{"label":"neutral","score":0.1},{"label":"contradiction","score":0.2}]`)
	})
	const context = "Hotels cost 140 EUR."
	first, err := n.Judge(t.Context(), context, []string{"Hotels cost 140 EUR."})
	if err != nil || asked != 1 || first[0].Support != 0.7 {
		t.Fatalf("Judge = %+v, %v after %d requests", first, err, asked)
	}
	claims := []string{"Hotels cost 140 EUR.", "Hotels have trains."}
	for want := 2; want < 4; want++ {
		if c, err := n.Cost(context, claims); err != nil || c != (NLICost{Requests: 1, Pairs: 1, Known: 1}) {
			t.Errorf("Cost = %v, %v", c, err)
		}
		got, err := n.Judge(t.Context(), context, claims)
		if err != nil || asked != want || cmp.Diff(first[0], got[0]) != "" || got[1].Failure == "" {
			t.Errorf("Judge = %+v, %v after %d requests, want %d", got, err, asked, want)
		}
	}
	other := newNLI(t, NLIConfig{Shape: HF, Windows: 1, Store: store}, func(w http.ResponseWriter, _ []byte) {
		io.WriteString(w, `[{"label":"entailment","score":0.2},{"label":"neutral","score":0.6},{"label":"contradiction","score":0.2}]`)
	})
	if got, err := other.Judge(t.Context(), context, claims[:1]); err != nil || got[0].Support != 0.2 {
		t.Errorf("another endpoint: %+v, %v", got, err)
	}
}

// TestNLIIdentity: results of one address are not those of another, whoever asks.
func TestNLIIdentity(t *testing.T) {
	made := func(c NLIConfig) *NLI {
		n, err := NewNLI(c)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	at := func(url string) NLIConfig { return NLIConfig{Endpoint: endpoint.Config{URL: url}} }
	base := made(at("http://x/predict?model=a"))
	other := at("http://x/predict?model=a")
	other.Shape = HF
	for name, n := range map[string]*NLI{
		"query": made(at("http://x/predict?model=b")), "path": made(at("http://x/other?model=a")), "shape": made(other),
	} {
		if n.Info().Fingerprint == base.Info().Fingerprint || n.key("p", "h") == base.key("p", "h") {
			t.Errorf("with another %s: the fingerprint %s, want another than %s, and other keys", name, n.Info().Fingerprint, base.Info().Fingerprint)
		}
	}
	if n := made(at("http://user:secret@x/predict?model=a")); n.Info().Fingerprint != base.Info().Fingerprint || n.key("p", "h") != base.key("p", "h") {
		t.Error("who asks is part of the identity")
	}
}

func TestNLIBlankContext(t *testing.T) {
	n := newNLI(t, NLIConfig{}, func(http.ResponseWriter, []byte) { t.Error("a blank context was sent") })
	got, err := n.Judge(t.Context(), " \n ", []string{"a claim"})
	if d := cmp.Diff([]ground.Judgement{{}}, got); d != "" || err != nil {
		t.Errorf("Judge = %v (-want +got):\n%s", err, d)
	}
}

// TestNLIHF: one pair a request, both forms of the answer, names of one's own.
func TestNLIHF(t *testing.T) {
	for _, format := range []string{"%s", "[%s]"} {
		n := newNLI(t, NLIConfig{Shape: HF, Labels: []string{"Label_2", "LABEL_1", "LABEL_0"}, Windows: 1}, func(w http.ResponseWriter, body []byte) {
			if want := `{"inputs":{"text":"The limit is 140 EUR.","text_pair":"limit 140"},"parameters":{"top_k":3}}`; string(body) != want {
				t.Errorf("request\n%s\nwant\n%s", body, want)
			}
			fmt.Fprintf(w, format, `[{"label":"LABEL_0","score":0.1},{"label":"LABEL_1","score":0.2},{"label":"LABEL_2","score":0.7}]`)
		})
		got, err := n.Judge(t.Context(), "The limit is 140 EUR.", []string{"limit 140"})
		want := []ground.Judgement{{Support: 0.7, Evidence: text.Span{End: 21}}}
		if d := cmp.Diff(want, got); d != "" || err != nil {
			t.Errorf("Judge = %v (-want +got):\n%s", err, d)
		}
	}
}

// TestNLITwoLabels: what is not entailed need not be contradicted.
func TestNLITwoLabels(t *testing.T) {
	n := newNLI(t, NLIConfig{Labels: []string{"entailment", "not_entailment"}}, func(w http.ResponseWriter, _ []byte) {
		io.WriteString(w, `[[{"label":"not_entailment","score":0.8},{"label":"entailment","score":0.2}]]`)
	})
	got, err := n.Judge(t.Context(), "x", []string{"y"})
	if err != nil || got[0].Support != 0.2 || got[0].Findings != nil {
		t.Errorf("Judge = %+v, %v", got, err)
	}
}

func TestNLIContract(t *testing.T) {
	for _, c := range []struct{ name, body, text string }{
		{"HTML", `<html>`, "invalid character"},
		{"too few", `[]`, "0 results for 1 pairs"},
		{"too many", `[[],[]]`, "2 results for 1 pairs"},
		{"flat", `[{"label":"entailment","score":1}]`, "cannot unmarshal"},
		{"best label alone", `[[{"label":"entailment","score":0.9}]]`, `it has the labels "entailment", configured are entailment, neutral, contradiction`},
		{"other labels", `[[{"label":"LABEL_0","score":0.9},{"label":"LABEL_1","score":0.1},{"label":"LABEL_2","score":0}]]`, `it has the labels "LABEL_0", "LABEL_1", "LABEL_2", configured are`},
		{"one too many", `[[{"label":"entailment","score":0.9},{"label":"neutral","score":0.1},{"label":"contradiction","score":0},{"label":"x","score":0}]]`, "it has the labels"},
		{"twice", `[[{"label":"entailment","score":0.9},{"label":"Entailment","score":0.1}]]`, `"Entailment" occurs twice`},
		{"null score", `[[{"label":"entailment","score":null}]]`, "without label or score"},
		{"logits", `[[{"label":"entailment","score":4.2}]]`, "is 4.2, want a probability"},
		{"negative", `[[{"label":"entailment","score":-0.1}]]`, "want a probability"},
	} {
		t.Run(c.name, func(t *testing.T) {
			n := newNLI(t, NLIConfig{}, func(w http.ResponseWriter, _ []byte) { io.WriteString(w, c.body) })
			got, err := n.Judge(t.Context(), "x", []string{"y"})
			if got != nil || !errors.Is(err, ErrNLIContract) || !strings.Contains(err.Error(), c.text) {
				t.Errorf("Judge = %v, %v, want %v with %q", got, err, ErrNLIContract, c.text)
			}
		})
	}
}

// TestNLIRejected: what the endpoint will not read fails the claim, a closed door
// the call.
func TestNLIRejected(t *testing.T) {
	var code atomic.Int32
	n := newNLI(t, NLIConfig{BatchPairs: 1, Windows: 1}, func(w http.ResponseWriter, body []byte) {
		if strings.Contains(string(body), "long") {
			w.WriteHeader(int(code.Load()))
			io.WriteString(w, `{"error":"inputs must have less than 512 tokens","error_type":"Validation"}`)
			return
		}
		tei(w, body)
	})
	code.Store(413)
	got, err := n.Judge(t.Context(), "x", []string{"x", "a long claim"})
	if err != nil || got[0].Support != 0.9 || got[0].Failure != "" || !strings.Contains(got[1].Failure, "less than 512 tokens") {
		t.Errorf("Judge = %+v, %v", got, err)
	}
	code.Store(401)
	var status *endpoint.StatusError
	if got, err := n.Judge(t.Context(), "x", []string{"x", "a long claim"}); got != nil || !errors.As(err, &status) {
		t.Errorf("Judge = %+v, %v, want the status 401", got, err)
	}
}

func TestNewNLIErrors(t *testing.T) {
	for _, c := range []struct {
		change func(*NLIConfig)
		text   string
	}{
		{func(c *NLIConfig) { c.Endpoint.URL = "x" }, "want http://HOST"},
		{func(c *NLIConfig) { c.Shape = "grpc" }, `shape is "grpc", allowed are tei, hf`},
		{func(c *NLIConfig) { c.Labels = []string{"a"} }, "want two or three different names"},
		{func(c *NLIConfig) { c.Labels = []string{"a", "A"} }, "want two or three different names"},
		{func(c *NLIConfig) { c.Labels = []string{"a", ""} }, "want two or three different names"},
		{func(c *NLIConfig) { c.Windows = 17 }, "windows is 17"},
		{func(c *NLIConfig) { c.BatchPairs = -1 }, "batch pairs is -1"},
	} {
		config := NLIConfig{Endpoint: endpoint.Config{URL: "http://x/predict"}}
		c.change(&config)
		if _, err := NewNLI(config); err == nil || !strings.Contains(err.Error(), c.text) {
			t.Errorf("NewNLI(%+v) = %v, want %q", config, err, c.text)
		}
	}
}

func TestWindows(t *testing.T) {
	long := strings.Repeat("word ", 500)
	for _, c := range []struct {
		text string
		want []string
	}{
		{"", nil},
		{" \n", nil},
		{"One is here.", []string{"One is here."}},
		{"A is b. C is d. E is f. G is h.", []string{"A is b. C is d. E is f.", "C is d. E is f. G is h."}},
		{long, []string{long[:1199], long[1200:2394], long[2395:2499]}},
	} {
		var got []string
		for _, w := range windows(c.text) {
			got = append(got, c.text[w.Start:w.End])
		}
		if d := cmp.Diff(c.want, got); d != "" {
			t.Errorf("windows(%.40q) (-want +got):\n%s", c.text, d)
		}
	}
}

func FuzzWindows(f *testing.F) {
	f.Add("A is b. C is d.\n\nE is f.", 100)
	f.Add(strings.Repeat("\x80", 100), 30)
	f.Fuzz(func(t *testing.T, s string, repeat int) {
		s = strings.Repeat(s, min(max(repeat, 1), 100))
		covered := make([]bool, len(s))
		last := -1
		for _, w := range windows(s) {
			if w.Len() <= 0 || w.Len() > windowBytes || w.Start <= last {
				t.Fatalf("window %v after start %d", w, last)
			}
			last = w.Start
			for i := w.Start; i < w.End; i++ {
				covered[i] = true
			}
		}
		for i, r := range s {
			if !covered[i] && !text.Blank(string(r)) {
				t.Fatalf("byte %d is in no window", i)
			}
		}
	})
}
