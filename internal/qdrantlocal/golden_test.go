package qdrantlocal

import (
	"bufio"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
)

var goldenFilter = flag.String("scenario", "", "replay only recorded scenarios whose name contains this")

// recorded is one line of a recording: a call and what a real server answered.
type recorded struct {
	Scenario       string          `json:"scenario"`
	Step           string          `json:"step"`
	Method         string          `json:"method"`
	Request        json.RawMessage `json:"request"`
	Response       json.RawMessage `json:"response"`
	Code           string          `json:"code"`
	Message        string          `json:"message"`
	Ties           bool            `json:"ties"`
	Unstable       bool            `json:"unstable"`
	UnstableKind   string          `json:"unstable_kind"`
	UnstableFields []string        `json:"unstable_fields"`
	StaleIDF       bool            `json:"stale_idf"`
}

// TestGolden replays recorded answers of a real server. It needs the
// recordings, which are not part of this repository.
func TestGolden(t *testing.T) {
	replayAll(t, func(*testing.T) host { return &inMemory{s: OpenMemory()} })
}

// TestGoldenReopened replays them on disk and closes and opens the store
// before the first read after each write.
func TestGoldenReopened(t *testing.T) {
	if testing.Short() {
		t.Skip("opens a store some 1,500 times")
	}
	replayAll(t, func(t *testing.T) host { return &onDisk{dir: t.TempDir()} })
}

// host keeps the store that a recording is replayed on.
type host interface {
	// conn returns a connection; fresh asks for a store that was opened anew.
	conn(t *testing.T, fresh bool) *grpc.ClientConn
}

type inMemory struct {
	s  *Store
	cc *grpc.ClientConn
}

func (h *inMemory) conn(t *testing.T, _ bool) *grpc.ClientConn {
	if h.cc == nil {
		t.Cleanup(func() { h.s.Close() })
		h.cc = dialStore(t, h.s)
	}
	return h.cc
}

type onDisk struct {
	dir string
	s   *Store
	cc  *grpc.ClientConn
}

func (h *onDisk) conn(t *testing.T, fresh bool) *grpc.ClientConn {
	if h.s == nil || fresh {
		if h.s != nil {
			h.cc.Close()
			if err := h.s.Close(); err != nil {
				t.Fatal(err)
			}
		}
		h.s = openStore(t, h.dir)
		h.cc = dialStore(t, h.s)
	}
	return h.cc
}

func replayAll(t *testing.T, newHost func(*testing.T) host) {
	dir := os.Getenv("RAGLOOP_DATA")
	if dir == "" {
		t.Skip("RAGLOOP_DATA does not point to recordings")
	}
	files, err := filepath.Glob(filepath.Join(dir, "qdrant_golden", "*.jsonl"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no recordings in %s/qdrant_golden: %v", dir, err)
	}
	total := tally{features: map[string]int{}}
	for _, f := range files {
		name := strings.TrimSuffix(filepath.Base(f), ".jsonl")
		if !strings.Contains(name, *goldenFilter) {
			continue
		}
		t.Run(name, func(t *testing.T) { replay(t, newHost(t), readRecording(t, f), &total) })
	}
	t.Logf("calls: %d matched (%d by code only: %d for stale IDF counts), %d mismatched, %d unimplemented, %d skipped after an unimplemented change",
		total.matched, total.codeOnly, total.stale, total.mismatched, total.unimplemented, total.skipped)
	for _, f := range slices.Sorted(maps.Keys(total.features)) {
		t.Logf("unimplemented: %4d %s", total.features[f], f)
	}
	if diff := cmp.Diff(unimplemented, total.features); diff != "" && *goldenFilter == "" {
		t.Errorf("unimplemented calls (-want +got):\n%s", diff)
	}
}

// unimplemented are the recorded calls that local mode refuses, by message.
var unimplemented = map[string]int{
	"local mode does not implement ASCII folding in text indexes":                                                        2,
	"local mode does not implement cluster info of collections with several shards: local mode stores all points in one": 1,
	"local mode does not implement text analysis of the language arabic":                                                 1,
}

type tally struct {
	matched, codeOnly, stale, mismatched, unimplemented, skipped int

	features map[string]int
}

func readRecording(t *testing.T, file string) []recorded {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var steps []recorded
	sc := bufio.NewScanner(f)
	sc.Buffer(nil, 64<<20)
	for sc.Scan() {
		var r recorded
		if err := json.Unmarshal(sc.Bytes(), &r); err != nil {
			t.Fatalf("%s:%d: %v", file, len(steps)+1, err)
		}
		steps = append(steps, r)
	}
	if err := sc.Err(); err != nil {
		t.Fatal(err)
	}
	return steps
}

// dialStore returns a plain connection to s: go-client's wrapper would add its own checks.
func dialStore(t testing.TB, s *Store) *grpc.ClientConn {
	t.Helper()
	cfg := s.Connect()
	cc, err := grpc.NewClient(cfg.Host, append(cfg.GrpcOptions, grpc.WithTransportCredentials(insecure.NewCredentials()))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cc.Close() })
	return cc
}

func replay(t *testing.T, h host, steps []recorded, total *tally) {
	partial, written := false, false
	for _, r := range steps {
		req, want := messagesOf(t, r)
		got := want.ProtoReflect().New().Interface()
		cc := h.conn(t, written && !mutates(r.Method))
		written = mutates(r.Method)
		err := cc.Invoke(t.Context(), r.Method, req, got)
		code := status.Code(err)
		switch {
		case partial:
			total.skipped++
			continue
		case code == codes.Unimplemented:
			total.unimplemented++
			total.features[status.Convert(err).Message()]++
			partial = mutates(r.Method)
			continue
		}
		diff, byCode := r.judge(req, want, got, code)
		switch {
		case diff != "":
			total.mismatched++
			t.Errorf("%s: %s (%v, recorded %q)\nrequest %s\nwant %s\ngot  %s",
				r.Step, diff, err, r.Message, clip(r.Request), clip(r.Response), clip([]byte(protojson.Format(got))))
			continue
		case byCode && r.StaleIDF:
			total.stale++
			fallthrough
		case byCode:
			total.codeOnly++
		}
		total.matched++
	}
}

// clip puts JSON on one line of bounded length.
func clip(b []byte) string {
	s := strings.Join(strings.Fields(string(b)), " ")
	if len(s) > 2000 {
		return s[:2000] + "…"
	}
	return s
}

func mutates(method string) bool {
	switch method[strings.LastIndexByte(method, '/')+1:] {
	case "Query", "QueryBatch", "QueryGroups", "Scroll", "Count", "Facet", "Get", "List", "ListAliases",
		"ListCollectionAliases", "CollectionExists", "CollectionClusterInfo", "HealthCheck", "Check":
		return false
	}
	return true
}

// newMessages returns an empty request and an empty answer of a method.
func newMessages(t *testing.T, fullMethod string) (req, answer proto.Message) {
	t.Helper()
	service, method, _ := strings.Cut(strings.TrimPrefix(fullMethod, "/"), "/")
	d, err := protoregistry.GlobalFiles.FindDescriptorByName(protoreflect.FullName(service))
	if err != nil {
		t.Fatal(err)
	}
	md := d.(protoreflect.ServiceDescriptor).Methods().ByName(protoreflect.Name(method))
	in, err := protoregistry.GlobalTypes.FindMessageByName(md.Input().FullName())
	if err != nil {
		t.Fatal(err)
	}
	out, err := protoregistry.GlobalTypes.FindMessageByName(md.Output().FullName())
	if err != nil {
		t.Fatal(err)
	}
	return in.New().Interface(), out.New().Interface()
}

func messagesOf(t *testing.T, r recorded) (req, want proto.Message) {
	t.Helper()
	req, want = newMessages(t, r.Method)
	if err := protojson.Unmarshal(r.Request, req); err != nil {
		t.Fatalf("%s: request: %v", r.Step, err)
	}
	if r.Code == "OK" {
		if err := protojson.Unmarshal(r.Response, want); err != nil {
			t.Fatalf("%s: response: %v", r.Step, err)
		}
	}
	return req, want
}

// judge compares an answer with the recorded one. diff is "" if it is right;
// byCode reports that only the code was compared.
func (r recorded) judge(req, want, got proto.Message, code codes.Code) (diff string, byCode bool) {
	if r.UnstableKind == "server_panic" {
		return "", true
	}
	if code.String() != r.Code {
		return fmt.Sprintf("code is %v, want %s", code, r.Code), false
	}
	if r.Code != "OK" {
		return "", false
	}
	switch r.UnstableKind {
	case "hidden_ties", "approximate", "arbitrary":
		return "", true
	}
	if r.StaleIDF { // local mode counts live points only
		return "", true
	}
	c := comparison{
		ties:         r.Ties || r.UnstableKind == "tie_order",
		asSets:       r.UnstableKind == "order" || strings.Contains(r.Method, "/List"),
		countOnly:    r.UnstableKind == "random",
		ignoreFields: r.UnstableFields,
	}
	c.limit, c.offset = window(req)
	return c.diff(want, got), false
}

// window returns limit and offset of a request, with the server's defaults.
func window(req proto.Message) (limit, offset int) {
	type limited interface{ GetLimit() uint64 }
	type limited32 interface{ GetLimit() uint32 }
	limit = 10
	switch r := req.(type) {
	case limited:
		if n := r.GetLimit(); n > 0 {
			limit = int(n)
		}
	case limited32:
		if n := r.GetLimit(); n > 0 {
			limit = int(n)
		}
	}
	if r, ok := req.(interface{ GetOffset() uint64 }); ok {
		offset = int(r.GetOffset())
	}
	return limit, offset
}
