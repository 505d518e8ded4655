// Package unary makes unary gRPC calls with as little work as they take, for who
// measures a service on cores that both share: what the one who asks takes, the
// service lacks. Requests and responses are bytes, which are its user's to encode and
// to look at, as far as is needed.
//
// It speaks gRPC over HTTP/2 without TLS, over one connection at a time, and nothing
// else: no streams, compression, metadata, retries or balancing. An app has
// google.golang.org/grpc for that.
package unary

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"
)

// Client calls one method of one server. It connects when it is asked to call, and
// anew when the connection has ended. Safe for concurrent use.
type Client struct {
	addr, path string
	dialer     net.Dialer

	mu     sync.Mutex
	conn   *conn // nil: none yet
	closed bool
}

// New returns a client of a method, such as "/ragloop.v1.Retrieval/Retrieve", of the
// server at addr, host:port. It does not connect.
func New(addr, method string) *Client {
	return &Client{addr: addr, path: method, dialer: net.Dialer{Timeout: dialTimeout}}
}

// Reply is what the server answered.
type Reply struct {
	Body    []byte // the encoded response, where Code is 0
	Code    uint32 // of gRPC; 0: OK
	Message string
	Details []byte // encoded google.rpc.Status; empty: none
}

// MaxRequestBytes is how long a request may be: half of what a server takes in before
// it says that it takes more, which it need not say before as much is used up.
const MaxRequestBytes = initialWindow/2 - prefixBytes

// dialTimeout bounds the wait for a connection.
const dialTimeout = 5 * time.Second

var (
	// ErrClosed: the client is.
	ErrClosed = errors.New("the client is closed")
	// ErrConnection: the server could not be reached, the connection ended before the
	// reply, or what came was no gRPC.
	ErrConnection = errors.New("the connection failed")
)

// Start makes a call and returns when it is sent. When there is a reply, or none can
// come, done is called once, perhaps before Start returns; it must not use the client.
// The deadline of ctx, which it needs, is told to the server; when ctx ends the call is
// taken back, and the error is that of ctx. Otherwise an error means that there is no
// reply.
func (c *Client) Start(ctx context.Context, request []byte, done func(Reply, error)) {
	ended := func(r Reply, err error) {
		if errors.Is(err, errUnused) && ctx.Err() == nil {
			go c.Start(ctx, request, done)
			return
		}
		if err != nil {
			err = fmt.Errorf("call %s: %w", c.path, err)
		}
		done(r, err)
	}
	if len(request) > MaxRequestBytes {
		ended(Reply{}, fmt.Errorf("the request has %d bytes, allowed are up to %d", len(request), MaxRequestBytes))
		return
	}
	conn, err := c.connection(ctx)
	if err == nil {
		err = conn.send(ctx, request, ended)
	}
	if err != nil {
		ended(Reply{}, err)
	}
}

// connection returns one that takes calls.
func (c *Client) connection(ctx context.Context) (*conn, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil, ErrClosed
	}
	if c.conn != nil && c.conn.usable() {
		return c.conn, nil
	}
	nc, err := c.dialer.DialContext(ctx, "tcp", c.addr)
	switch {
	case err != nil && ctx.Err() != nil: // perhaps before its turn came
		return nil, ctx.Err()
	case err != nil: // not wrapped: when it is dialTimeout it would pass for the end of ctx
		return nil, fmt.Errorf("%w: %v", ErrConnection, err)
	}
	c.conn = newConn(nc, c.addr, c.path)
	return c.conn, nil
}

// Close ends the connection. Calls that wait for their reply fail, but for those over
// a connection that the server ends, too, which it does when they have it.
func (c *Client) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	if c.conn != nil {
		c.conn.close()
		c.conn = nil
	}
	return nil
}
