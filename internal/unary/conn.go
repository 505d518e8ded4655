package unary

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"strconv"
	"sync"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

const (
	// initialWindow is HTTP/2's, for what a connection and a stream may send before
	// the other side says more (RFC 9113, 6.9.2).
	initialWindow = 65535
	// maxFrame is how long a frame may be (6.5.2). Both sides leave it at that.
	maxFrame = 16384
	// A response may be as long as streamWindow; connWindow is for all that come at once.
	streamWindow = 64 << 20
	connWindow   = 1 << 30
	// prefixBytes come before a message: whether it is compressed, and its length.
	prefixBytes = 5
	// mostTimeout is the longest that a server can be told, 8 digits of milliseconds.
	mostTimeout = 1e8 - 1
	// writeTimeout is for a server that reads nothing.
	writeTimeout = 5 * time.Second
	// maxStream is the last number of a stream that a client may take.
	maxStream = 1<<31 - 1
)

// errUnused: the connection takes no more calls, and the server has not seen this one.
var errUnused = errors.New("the connection takes no more calls")

// conn is one connection. One goroutine reads from it. Whoever has something to
// write puts it behind what is to be written already and, where nobody else does so
// now, writes until nothing is left: many short frames go out with few system calls.
type conn struct {
	net             net.Conn
	authority, path string

	mu      sync.Mutex
	room    sync.Cond // the server takes more, or the connection has ended
	out     bytes.Buffer
	frames  *http2.Framer // writes to out
	writing bool
	written []byte         // what was written last, for its memory
	fields  *hpack.Encoder // writes to block
	block   bytes.Buffer

	calls   map[uint32]*call // by stream
	next    uint32           // stream of the next call
	most    uint32           // calls at once that the server takes; none before it has said so
	window  int              // bytes that the server takes
	unread  int              // bytes that the server was not yet told are read
	settled bool             // the server has said most
	going   bool             // the server takes no more calls
	err     error            // nil: the connection has not ended
}

// call is a call without reply.
type call struct {
	ended func(Reply, error) // called once, with conn.mu held
	stop  func() bool        // watching the context
	until time.Time          // deadline
	reply Reply

	begun bool // the prefix has come
	size  int  // of the response
	head  []byte
}

func newConn(nc net.Conn, authority, path string) *conn {
	c := &conn{net: nc, authority: authority, path: path, calls: map[uint32]*call{}, next: 1, window: initialWindow}
	c.room.L = &c.mu
	c.frames, c.fields = http2.NewFramer(&c.out, nil), hpack.NewEncoder(&c.block)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.out.WriteString(http2.ClientPreface)
	c.wrote(c.frames.WriteSettings(
		http2.Setting{ID: http2.SettingEnablePush, Val: 0},
		http2.Setting{ID: http2.SettingInitialWindowSize, Val: streamWindow}))
	c.wrote(c.frames.WriteWindowUpdate(0, connWindow-initialWindow))
	go c.read()
	c.flush()
	return c
}

// wrote notes what cannot be: a frame goes to a buffer, and its contents are ours.
func (c *conn) wrote(err error) {
	if err != nil {
		c.end(err)
	}
}

func (c *conn) usable() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err == nil && !c.going
}

func (c *conn) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.end(ErrClosed)
}

// end fails all calls. c.mu is held.
func (c *conn) end(err error) {
	if c.err != nil {
		return
	}
	c.err = err
	for id, call := range c.calls {
		c.finish(id, call, err)
	}
	c.room.Broadcast()
	_ = c.net.Close() // nothing that comes of it matters any longer
}

// finish ends a call, without error or with one. c.mu is held.
func (c *conn) finish(id uint32, call *call, err error) {
	call.stop()
	delete(c.calls, id)
	c.room.Signal()
	if err != nil {
		call.reply = Reply{}
	}
	call.ended(call.reply, err)
}

// drop ends a call that the server has not ended, and tells it. c.mu is held.
func (c *conn) drop(id uint32, call *call, err error) {
	c.wrote(c.frames.WriteRSTStream(id, http2.ErrCodeCancel))
	c.finish(id, call, err)
}

// send writes a call as soon as the server takes it; ended is called at its end.
// Where there is an error there is no call.
func (c *conn) send(ctx context.Context, request []byte, ended func(Reply, error)) error {
	deadline, ok := ctx.Deadline()
	if !ok {
		return errors.New("the call has no deadline")
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	size := prefixBytes + len(request)
	full := func() bool {
		return c.err == nil && !c.going && (c.window < size || uint32(len(c.calls)) >= c.most)
	}
	if full() {
		defer context.AfterFunc(ctx, c.wake)()
	}
	for full() && ctx.Err() == nil {
		c.room.Wait()
	}
	left := time.Until(deadline)
	switch {
	case ctx.Err() != nil || left <= 0:
		c.room.Signal() // the room is somebody else's
		return cmp.Or(ctx.Err(), context.DeadlineExceeded)
	case c.going:
		return errUnused
	case c.err != nil:
		return c.err
	}
	id := c.next
	if c.next += 2; c.next > maxStream {
		c.going = true
	}
	c.window -= size
	call := &call{ended: ended, until: deadline}
	call.stop = context.AfterFunc(ctx, func() { c.takeBack(ctx, id) })
	c.calls[id] = call

	c.block.Reset()
	for _, f := range [...]hpack.HeaderField{
		{Name: ":method", Value: "POST"}, {Name: ":scheme", Value: "http"},
		{Name: ":path", Value: c.path}, {Name: ":authority", Value: c.authority},
		{Name: "content-type", Value: "application/grpc"}, {Name: "user-agent", Value: "ragloop-bench"},
		{Name: "te", Value: "trailers"},
		{Name: "grpc-timeout", Value: strconv.FormatInt(min(left.Milliseconds()+1, mostTimeout), 10) + "m"},
	} {
		c.wrote(c.fields.WriteField(f))
	}
	c.wrote(c.frames.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: c.block.Bytes(), EndHeaders: true}))
	message := binary.BigEndian.AppendUint32(make([]byte, 1, size), uint32(len(request)))
	message = append(message, request...)
	for len(message) > maxFrame {
		c.wrote(c.frames.WriteData(id, false, message[:maxFrame]))
		message = message[maxFrame:]
	}
	c.wrote(c.frames.WriteData(id, true, message))
	c.flush()
	return nil
}

// takeBack ends a call whose context has ended.
func (c *conn) takeBack(ctx context.Context, id uint32) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if call := c.calls[id]; call != nil {
		c.drop(id, call, ctx.Err())
		c.flush()
	}
}

// wake has those who wait for room look again.
func (c *conn) wake() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.room.Broadcast()
}

// flush writes what is to be written, unless somebody does so already, and ends a
// connection that is of no more use. c.mu is held, and released meanwhile.
func (c *conn) flush() {
	if c.writing {
		return
	}
	c.writing = true
	for c.out.Len() > 0 && c.err == nil {
		frames := append(c.written[:0], c.out.Bytes()...)
		c.out.Reset()
		c.mu.Unlock()
		err := c.net.SetWriteDeadline(time.Now().Add(writeTimeout))
		if err == nil {
			_, err = c.net.Write(frames)
		}
		c.mu.Lock()
		c.written = frames
		if err != nil {
			c.end(fmt.Errorf("%w: %w", ErrConnection, err))
		}
	}
	c.writing = false
	if c.going && len(c.calls) == 0 {
		c.end(errUnused)
	}
}
