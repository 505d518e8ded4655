package ragloopv1

import (
	"context"
	"net"
	"sync/atomic"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"
)

// failing answers a number of calls with a code, then with success.
type failing struct {
	UnimplementedRetrievalServer
	code  codes.Code
	times int32
	calls atomic.Int32
}

func (f *failing) Search(context.Context, *SearchRequest) (*SearchResponse, error) {
	if f.calls.Add(1) <= f.times {
		return nil, status.Error(f.code, "not now")
	}
	return &SearchResponse{RetrievalId: "r"}, nil
}

func TestDialOptions(t *testing.T) {
	for _, tt := range []struct {
		name  string
		code  codes.Code
		times int32
		want  codes.Code
		calls int32
	}{
		{"fails twice", codes.Unavailable, 2, codes.OK, 3},
		{"keeps failing", codes.Unavailable, 100, codes.Unavailable, 4},
		{"too large or busy", codes.ResourceExhausted, 1, codes.ResourceExhausted, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := &failing{code: tt.code, times: tt.times}
			srv, lis := grpc.NewServer(), bufconn.Listen(1<<16)
			RegisterRetrievalServer(srv, f)
			go srv.Serve(lis)
			defer srv.Stop()
			conn, err := grpc.NewClient("passthrough:///ragloop", append(DialOptions(),
				grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return lis.DialContext(ctx) }),
				grpc.WithTransportCredentials(insecure.NewCredentials()))...)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			_, err = NewRetrievalClient(conn).Search(t.Context(), &SearchRequest{Query: "q"})
			if got := status.Code(err); got != tt.want || f.calls.Load() != tt.calls {
				t.Errorf("Search = %v after %d calls, want %v after %d", err, f.calls.Load(), tt.want, tt.calls)
			}
		})
	}
}
