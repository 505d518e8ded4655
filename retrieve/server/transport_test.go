package server

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"
	"google.golang.org/protobuf/proto"

	ragloopv1 "github.com/ragloop/ragloop/proto/ragloop/v1"
)

// counting is a listener that counts connections.
type counting struct {
	*bufconn.Listener
	accepted atomic.Int32
}

func (l *counting) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err == nil {
		l.accepted.Add(1)
	}
	return conn, err
}

// serveCounted serves a collection over in-process connections, with the options
// that clients are told to use.
func serveCounted(t *testing.T, c Collection, mutate func(*Config)) (*clients, *counting) {
	t.Helper()
	lis := &counting{Listener: bufconn.Listen(1 << 20)}
	dial := grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return lis.DialContext(ctx) })
	return serveOn(t, lis, c, mutate, append(ragloopv1.DialOptions(), dial)...), lis
}

// peer is a client without a library: it sends what frames it likes.
type peer struct {
	*http2.Framer
	settings map[http2.SettingID]uint32 // the server's
	encoder  *hpack.Encoder
	block    bytes.Buffer
}

// newPeer returns one that has said hello.
func newPeer(t *testing.T, lis *counting) *peer {
	t.Helper()
	conn, err := lis.DialContext(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	p := &peer{Framer: http2.NewFramer(conn, conn), settings: map[http2.SettingID]uint32{}}
	p.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	p.encoder = hpack.NewEncoder(&p.block)
	if _, err := io.WriteString(conn, http2.ClientPreface); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(p.WriteSettings(), p.WriteSettingsAck()); err != nil {
		t.Fatal(err)
	}
	frame, err := p.ReadFrame()
	settings, ok := frame.(*http2.SettingsFrame)
	if !ok {
		t.Fatalf("the server begins with %v, %v, want its settings", frame, err)
	}
	settings.ForeachSetting(func(s http2.Setting) error { p.settings[s.ID] = s.Val; return nil })
	return p
}

// call sends the headers of a health check, and more, and an empty request.
func (p *peer) call(t *testing.T, stream uint32, more ...hpack.HeaderField) {
	t.Helper()
	p.block.Reset()
	for _, f := range append([]hpack.HeaderField{
		{Name: ":method", Value: "POST"}, {Name: ":scheme", Value: "http"}, {Name: ":authority", Value: "x"},
		{Name: ":path", Value: "/grpc.health.v1.Health/Check"}, {Name: "content-type", Value: "application/grpc"}, {Name: "te", Value: "trailers"},
	}, more...) {
		if err := p.encoder.WriteField(f); err != nil {
			t.Fatal(err)
		}
	}
	if p.block.Len() > 1<<14 {
		t.Fatalf("%d bytes of headers, more than a frame has", p.block.Len())
	}
	err := errors.Join(
		p.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: p.block.Bytes(), EndHeaders: true}),
		p.WriteData(stream, true, make([]byte, 5)))
	if err != nil {
		t.Fatal(err)
	}
}

// next returns the first frame that ok accepts.
func (p *peer) next(t *testing.T, what string, ok func(http2.Frame) bool) {
	t.Helper()
	for {
		frame, err := p.ReadFrame()
		if err != nil {
			t.Fatalf("the connection ends with %v before there is %s", err, what)
		}
		if ok(frame) {
			return
		}
		if away, is := frame.(*http2.GoAwayFrame); is {
			t.Fatalf("the server says %v, %q, want %s", away.ErrCode, away.DebugData(), what)
		}
	}
}

// end waits for the end of a call and returns its status, or why it was reset.
func (p *peer) end(t *testing.T, stream uint32) (with string) {
	t.Helper()
	p.next(t, "the end of a call", func(f http2.Frame) bool {
		if f.Header().StreamID != stream {
			return false
		}
		switch f := f.(type) {
		case *http2.RSTStreamFrame:
			with = f.ErrCode.String()
		case *http2.MetaHeadersFrame:
			for _, field := range f.Fields {
				if field.Name == "grpc-status" {
					with = "grpc-status " + field.Value
				}
			}
		}
		return with != ""
	})
	return with
}

// ping sends a ping and waits for the answer.
func (p *peer) ping(t *testing.T, n byte) {
	t.Helper()
	if err := p.WritePing(false, [8]byte{n}); err != nil {
		t.Fatal(err)
	}
	p.next(t, "the answer to a ping", func(f http2.Frame) bool {
		answer, ok := f.(*http2.PingFrame)
		return ok && answer.IsAck() && answer.Data == [8]byte{n}
	})
}

// TestRequestTooLarge: what is larger than the limit is refused, and what comes after
// it over the same connection is not.
func TestRequestTooLarge(t *testing.T) {
	c, lis := serveCounted(t, fake{}.collection(), func(c *Config) { c.MaxRequestBytes = 4 << 10 })
	ctx := t.Context()
	retrieve := func(query string) error {
		_, err := c.Retrieve(ctx, &ragloopv1.RetrieveRequest{Query: query})
		return err
	}
	content := make([]byte, 4<<10)
	for name, call := range map[string]func() error{
		"Retrieve": func() error { return retrieve(strings.Repeat("x", 4<<10)) },
		"PutDocument": func() error {
			_, err := c.PutDocument(ctx, &ragloopv1.PutDocumentRequest{Document: &ragloopv1.NewDocument{Id: "d", Content: content}})
			return err
		},
		"PutDocuments": func() error {
			stream, err := c.PutDocuments(ctx)
			if err != nil {
				return err
			}
			if err := stream.Send(&ragloopv1.PutDocumentsRequest{Document: &ragloopv1.NewDocument{Id: "d", Content: content}}); err != nil {
				return err
			}
			_, err = stream.CloseAndRecv()
			return err
		},
	} {
		if err := call(); status.Code(err) != codes.ResourceExhausted || !strings.Contains(err.Error(), "larger than max") {
			t.Errorf("%s with more than 4 KiB = %v, want ResourceExhausted", name, err)
		}
		if err := retrieve("q"); err != nil {
			t.Errorf("a call after it = %v", err)
		}
	}
	largest := &ragloopv1.RetrieveRequest{Query: strings.Repeat("x", 4<<10-3)}
	if n := proto.Size(largest); n != 4<<10 {
		t.Fatalf("the request has %d bytes, want 4 KiB", n)
	}
	if _, err := c.Retrieve(ctx, largest); err != nil {
		t.Errorf("Retrieve with 4 KiB = %v", err)
	}
	if n := lis.accepted.Load(); n != 1 {
		t.Errorf("%d connections, want 1", n)
	}
}

// TestHeadersTooLong: a call with more headers than 16 KiB is refused alone. gRPC's
// clients are told of the limit and do not even send it.
func TestHeadersTooLong(t *testing.T) {
	c, lis := serveCounted(t, fake{}.collection(), nil)
	with := func(n int) error {
		_, err := c.Retrieve(metadata.AppendToOutgoingContext(t.Context(), "x-long", strings.Repeat("x", n)), retrieveRequest)
		return err
	}
	for n, want := range map[int]codes.Code{12 << 10: codes.OK, 17 << 10: codes.Internal} {
		if err := with(n); status.Code(err) != want || want != codes.OK && !strings.Contains(err.Error(), "header list size") {
			t.Errorf("Retrieve with %d bytes of metadata = %v, want %v", n, err, want)
		}
	}
	if err := with(0); err != nil || lis.accepted.Load() != 1 {
		t.Errorf("a call after them = %v, %d connections, want 1", err, lis.accepted.Load())
	}

	p := newPeer(t, lis)
	if got := p.settings[http2.SettingMaxHeaderListSize]; got != 16<<10 {
		t.Errorf("the server tells the limit %d, want %d", got, 16<<10)
	}
	var long []hpack.HeaderField
	size := 0
	for i := 0; size <= 17<<10; i++ {
		f := hpack.HeaderField{Name: fmt.Sprintf("x-%d", i), Value: strings.Repeat("a", 100)}
		size += int(f.Size())
		long = append(long, f)
	}
	p.call(t, 1, long...)
	if got, want := p.end(t, 1), http2.ErrCodeFrameSize.String(); got != want {
		t.Errorf("a call with %d bytes of headers ends with %s, want %s", size, got, want)
	}
	p.call(t, 3)
	if got := p.end(t, 3); got != "grpc-status 0" {
		t.Errorf("a call after it ends with %s", got)
	}
}

// TestPings: a connection may be asked for a sign of life every ten seconds, and is
// ended when it is asked more often for the third time.
func TestPings(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, lis := serveCounted(t, fake{}.collection(), nil)
		p := newPeer(t, lis)
		for i := range byte(30) {
			time.Sleep(10 * time.Second) // of the fake clock
			p.ping(t, i)
		}
		for i := range byte(2) {
			time.Sleep(9 * time.Second)
			p.ping(t, 30+i)
		}
		time.Sleep(9 * time.Second)
		if err := p.WritePing(false, [8]byte{32}); err != nil {
			t.Fatal(err)
		}
		p.next(t, "the end of the connection", func(f http2.Frame) bool {
			away, ok := f.(*http2.GoAwayFrame)
			return ok && away.ErrCode == http2.ErrCodeEnhanceYourCalm && string(away.DebugData()) == "too_many_pings"
		})
	})
}

// TestPingsOfClients: with the options that clients are told to use, a stream that is
// silent for long is not ended for the pings that they send.
func TestPingsOfClients(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, lis := serveCounted(t, fake{}.collection(), nil)
		stream, err := c.PutDocuments(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if err := stream.Send(&ragloopv1.PutDocumentsRequest{Document: &ragloopv1.NewDocument{Id: "d", Content: []byte("x")}}); err != nil {
				t.Fatal(err)
			}
			time.Sleep(10 * time.Minute) // of the fake clock
		}
		if out, err := stream.CloseAndRecv(); err != nil || len(out.Results) != 2 {
			t.Errorf("PutDocuments = %v, %v, want 2 results", out, err)
		}
		if n := lis.accepted.Load(); n != 1 {
			t.Errorf("%d connections, want 1", n)
		}
	})
}

// TestLongestQuery: queries are counted in code points, and one more than allowed is
// refused by name.
func TestLongestQuery(t *testing.T) {
	c := serve(t, realCollection(t), nil)
	for name, call := range map[string]func(query string) error{
		"Retrieve": func(query string) error {
			_, err := c.Retrieve(t.Context(), &ragloopv1.RetrieveRequest{Query: query})
			return err
		},
		"Search": func(query string) error {
			_, err := c.Search(t.Context(), &ragloopv1.SearchRequest{Query: query})
			return err
		},
	} {
		const longest = 8192 // as the wire documentation states it
		if err := call(strings.Repeat("é", longest)); err != nil {
			t.Errorf("%s with %d code points = %v", name, longest, err)
		}
		err := call(strings.Repeat("é", longest+1))
		if d := cmp.Diff([]string{"query: has 8193 code points, allowed are 8192"}, problems(err)); d != "" || status.Code(err) != codes.InvalidArgument {
			t.Errorf("%s with one more = %v (-want +got):\n%s", name, err, d)
		}
	}
}

// TestRequestsThatDoNotCome: calls of which only the headers come, as of clients that
// were stopped or mean no good, keep no place for long.
func TestRequestsThatDoNotCome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, _ := serveCounted(t, fake{}.collection(), func(c *Config) { c.MaxConcurrent, c.Cores = 2, 1 })
		for range 8 {
			if _, err := c.conn.NewStream(t.Context(), &grpc.StreamDesc{}, ragloopv1.Retrieval_Search_FullMethodName); err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait() // the headers are there
		search := func() error {
			_, err := ragloopv1.NewRetrievalClient(c.conn).Search(t.Context(), &ragloopv1.SearchRequest{Query: "q"})
			return err
		}
		if err := search(); status.Code(err) != codes.ResourceExhausted {
			t.Errorf("a call at once = %v, want ResourceExhausted", err)
		}
		time.Sleep(arrivesWithin) // of the fake clock
		synctest.Wait()
		if err := search(); err != nil {
			t.Errorf("a call after %v = %v", arrivesWithin, err)
		}
	})
}
