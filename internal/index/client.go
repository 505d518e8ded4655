package index

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/qdrant/go-client/qdrant"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/ragloop/ragloop/internal/away"
	"github.com/ragloop/ragloop/internal/qdrantwire"
	"github.com/ragloop/ragloop/internal/recent"
	"github.com/ragloop/ragloop/internal/text"
)

// Options say how to reach Qdrant.
type Options struct {
	Addr    string // "host:port" of a Qdrant server; empty: local mode in DataDir
	APIKey  string // without TLS it goes over the wire as it is
	TLS     bool
	DataDir string // local mode's directory, created if missing

	// InMemory makes a local mode that starts empty and keeps nothing on disk:
	// for tests and scratch work. DataDir and Addr must be empty.
	InMemory bool

	// Tenant separates data inside one collection: a client sees and writes
	// only its own. Empty: "default".
	Tenant string
	// Filterable are keys of metadata that get a payload index: by Create at once,
	// in a generation that there is already by Prepare. A key once, none that is
	// reserved; other filters work, too, without an index.
	Filterable []Filterable
	// Interceptors run around every call to Qdrant, each attempt of a retried
	// call counted, in the given order: for metrics and tracing. None may keep a
	// reply, whose points local mode uses again.
	Interceptors []grpc.UnaryClientInterceptor
	// Jitter spreads retries; it returns numbers in [0, 1) and must be safe for
	// concurrent use. Nil: math/rand/v2.
	Jitter func() float64
}

// Info says what a client is connected to.
type Info struct {
	Title   string // as the server names itself
	Version string // of Qdrant's API: "1.17.1"
	Addr    string // "host:port"; in local mode the data directory, empty in memory
	Local   bool
}

// Client is a connection to Qdrant or to local mode. Safe for concurrent use.
type Client struct {
	qc     *qdrant.Client
	conns  []*grpc.ClientConn // qc's
	tenant string
	retry  retrier
	info   Info
	local  func() error // closes local mode; nil with a server

	filterable []Filterable

	chunks  *decoded[Chunk] // nil with a server, like the next two
	records *decoded[Record]

	recordIDs *recent.Map[text.DocID, *qdrant.PointId] // see recordPoint

	frequencies *frequencies // see Generation.IDF

	turns turns
}

const (
	defaultTenant = "default"
	// maxMessage lifts grpc-go's receive limit of 4 MiB, which a page of long
	// chunks exceeds and which is then reported like a rate limit.
	maxMessage = 256 << 20
	// maxReconnect bounds the wait between two attempts to connect, which gRPC lets
	// grow to two minutes: a server that is back is found within it.
	maxReconnect = 2 * time.Second
)

// minVersion is the first server that keeps collection metadata; an older one
// would drop the recipe without saying so.
var minVersion = [2]int{1, 16}

// Dial connects. The caller must Close.
//
// With Addr empty it opens local mode in DataDir, which one process at a time
// may use. Otherwise the server must answer and be Qdrant 1.16 or later.
func Dial(ctx context.Context, o Options) (*Client, error) {
	c := &Client{
		tenant: o.Tenant,
		retry:  retrier{jitter: o.Jitter, wait: sleep},

		filterable: slices.Clone(o.Filterable),

		frequencies: newFrequencies(time.Now),
	}
	if c.tenant == "" {
		c.tenant = defaultTenant
	}
	if err := checkText("tenant", c.tenant); err != nil {
		return nil, err
	}
	if err := checkFilterable(c.filterable); err != nil {
		return nil, fmt.Errorf("index keys of metadata: %w", err)
	}
	if c.retry.jitter == nil {
		c.retry.jitter = rand.Float64
	}
	cfg := &qdrant.Config{
		PoolSize: 3,
		UseTLS:   o.TLS,
		// Dial asks for the version itself: under ctx, and with an error
		// instead of a line in the global log.
		SkipCompatibilityCheck: true,
		GrpcOptions:            o.dialOptions(),
	}
	what := "connect to qdrant at " + o.Addr
	if o.Addr == "" {
		what = "open local mode in " + o.DataDir
		if o.InMemory {
			what = "open local mode in memory"
		}
		if err := o.checkLocal(); err != nil {
			return nil, fmt.Errorf("%s: %w", what, err)
		}
		stop, err := dialLocal(ctx, o, cfg)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", what, err)
		}
		c.local = stop
		c.chunks, c.records = newDecoded[Chunk](maxDecoded), newDecoded[Record](maxDecoded)
		c.recordIDs = recent.New[text.DocID, *qdrant.PointId](maxRecordIDs)
		c.info = Info{Addr: o.DataDir, Local: true}
	} else {
		if o.InMemory {
			return nil, fmt.Errorf("%s: %w: a server cannot be in memory", what, ErrInvalid)
		}
		host, port, err := splitAddr(o.Addr)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", what, err)
		}
		cfg.Host, cfg.Port = host, port
		c.info = Info{Addr: o.Addr}
	}
	var err error
	if c.qc, err = qdrant.NewClient(cfg); err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", what, err), c.Close())
	}
	for range cfg.PoolSize {
		c.conns = append(c.conns, c.qc.GetConnection()) // hands them out in turn
	}
	if err := c.handshake(ctx, what); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

// dialOptions returns the options of every connection, to a server or to local mode.
func (o Options) dialOptions() []grpc.DialOption {
	options := []grpc.DialOption{
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxMessage), grpc.MaxCallSendMsgSize(maxMessage), grpc.ForceCodecV2(qdrantwire.Codec())),
		grpc.WithConnectParams(grpc.ConnectParams{
			Backoff:           backoff.Config{BaseDelay: retryBase, Multiplier: 1.6, Jitter: 0.2, MaxDelay: maxReconnect},
			MinConnectTimeout: 10 * time.Second,
		}),
	}
	if o.APIKey != "" {
		// Not by the client's own option, which logs to the global logger, once per
		// connection, that there is no TLS.
		options = append(options, grpc.WithChainUnaryInterceptor(func(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption) error {
			return invoke(metadata.AppendToOutgoingContext(ctx, "api-key", o.APIKey), method, req, reply, cc, opts...)
		}))
	}
	return append(options, grpc.WithChainUnaryInterceptor(o.Interceptors...))
}

// checkLocal refuses options that local mode would have to ignore.
func (o Options) checkLocal() error {
	switch {
	case o.APIKey != "" || o.TLS:
		return fmt.Errorf("%w: an API key or TLS was given without a server address", ErrInvalid)
	case o.InMemory && o.DataDir != "":
		return fmt.Errorf("%w: both a data directory and in memory", ErrInvalid)
	case !o.InMemory && o.DataDir == "":
		return fmt.Errorf("%w: neither a server address nor a data directory was given", ErrInvalid)
	}
	return nil
}

// handshake asks who answers and refuses a server that would lose the recipe.
func (c *Client) handshake(ctx context.Context, what string) error {
	reply, err := call(ctx, c, true, what, c.qc.HealthCheck)
	if err != nil && strings.Contains(err.Error(), noPreface) {
		return fmt.Errorf("%w; a server that speaks TLS needs qdrant.tls", err)
	}
	if err != nil {
		return err
	}
	c.info.Title, c.info.Version = reply.GetTitle(), reply.GetVersion()
	major, minor, err := parseVersion(c.info.Version)
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	if major < minVersion[0] || major == minVersion[0] && minor < minVersion[1] {
		return fmt.Errorf("%s: server is version %s, which does not keep collection metadata: 1.16 or later is needed", what, c.info.Version)
	}
	return nil
}

// Info returns what c is connected to, as it was when Dial connected.
func (c *Client) Info() Info { return c.info }

// Close releases the connection and, in local mode, the data directory.
// Calls in flight and later ones fail.
func (c *Client) Close() error {
	var errs []error
	for _, conn := range c.conns {
		// Not by the client's own Close, after which any call of it panics.
		if err := conn.Close(); status.Code(err) != codes.Canceled { // closed before
			errs = append(errs, err)
		}
	}
	if c.local != nil {
		errs = append(errs, c.local())
	}
	return errors.Join(errs...)
}

// call makes one call to Qdrant under the retry rules; read says that it
// changes nothing. What was attempted goes in front of the error.
func call[T any](ctx context.Context, c *Client, read bool, what string, f func(context.Context) (T, error)) (T, error) {
	out, err := perform(ctx, c, read, f)
	if err != nil {
		return out, fmt.Errorf("%s: %w", what, err)
	}
	return out, nil
}

// perform is call without the text, for those who make one only where it failed.
// While a server is asked whoever made the call of ctx is away, as package away has
// it.
func perform[T any](ctx context.Context, c *Client, read bool, f func(context.Context) (T, error)) (T, error) {
	var out T
	if !c.info.Local {
		defer away.Begin(ctx)()
	}
	err := c.retry.do(ctx, read, func() (err error) {
		out, err = f(ctx)
		return err
	})
	if err != nil {
		var zero T
		return zero, newCallError(ctx, err)
	}
	return out, nil
}

// callError is a failed call: the server's words without the client's
// decoration. It unwraps to the gRPC status, to ErrNoCollection where the
// collection is gone, to ErrUnindexed where a filter needs an index, to
// ErrUnavailable where a later call may succeed, and to the context's error where
// that ended the call.
type callError struct {
	code   codes.Code
	msg    string
	causes []error
}

func (e *callError) Error() string   { return fmt.Sprintf("%s (%s)", e.msg, e.code) }
func (e *callError) Unwrap() []error { return e.causes }

func newCallError(ctx context.Context, err error) error {
	e := &callError{code: codes.Unknown, msg: err.Error(), causes: []error{err}}
	var limited *qdrant.QdrantResourceExhaustedError
	var withStatus interface{ GRPCStatus() *status.Status }
	switch {
	case errors.As(err, &limited):
		e.code, e.msg = codes.ResourceExhausted, limited.Error()
	case errors.As(err, &withStatus):
		st := withStatus.GRPCStatus()
		e.code, e.msg = st.Code(), st.Message()
	}
	if e.code == codes.NotFound {
		e.causes = append(e.causes, ErrNoCollection)
	}
	if e.code == codes.InvalidArgument && strings.Contains(e.msg, unindexed) {
		e.causes = append(e.causes, ErrUnindexed)
		e.msg = ErrUnindexed.Error() + ": " + e.msg
	}
	if ctx.Err() != nil {
		e.causes = append(e.causes, ctx.Err())
	} else if attempts, _ := retryable(err, false); attempts > 1 {
		e.causes = append(e.causes, ErrUnavailable)
	}
	return e
}

// noPreface is what gRPC says where the other side does not speak HTTP/2 in the
// clear; there is no code for it.
const noPreface = "error reading server preface"

// unindexed is what a server says where its strict mode misses an index; there is
// no code for it.
const unindexed = "Index required but not found"

func codeOf(err error) codes.Code {
	var e *callError
	if errors.As(err, &e) {
		return e.code
	}
	return codes.Unknown
}

func splitAddr(addr string) (host string, port int, err error) {
	host, p, err := net.SplitHostPort(addr)
	if err != nil {
		return "", 0, fmt.Errorf("%w: address %q, want host:port such as localhost:6334", ErrInvalid, addr)
	}
	port, err = strconv.Atoi(p)
	if err != nil || port < 1 || port > 65535 {
		return "", 0, fmt.Errorf("%w: port %q of address %q, allowed are 1 to 65535", ErrInvalid, p, addr)
	}
	if host == "" {
		host = "localhost"
	}
	if strings.Contains(host, ":") {
		host = "[" + host + "]" // the client puts host and port together as they are
	}
	return host, port, nil
}

func parseVersion(v string) (major, minor int, err error) {
	a, rest, ok := strings.Cut(strings.TrimPrefix(v, "v"), ".")
	b, _, _ := strings.Cut(rest, ".")
	major, err1 := strconv.Atoi(a)
	minor, err2 := strconv.Atoi(b)
	if !ok || err1 != nil || err2 != nil {
		return 0, 0, fmt.Errorf("server answers with version %q, want numbers such as 1.17.1", v)
	}
	return major, minor, nil
}
