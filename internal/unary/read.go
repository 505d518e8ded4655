package unary

import (
	"bufio"
	"context"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"net/url"
	"strconv"
	"strings"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// read takes in what the server sends, until the connection ends.
func (c *conn) read() {
	in := http2.NewFramer(nil, bufio.NewReaderSize(c.net, 64<<10))
	in.SetMaxReadFrameSize(maxFrame)
	in.SetReuseFrames()
	in.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	for {
		frame, err := in.ReadFrame()
		c.mu.Lock()
		if stream := (http2.StreamError{}); errors.As(err, &stream) {
			if call := c.calls[stream.StreamID]; call != nil {
				c.drop(stream.StreamID, call, fmt.Errorf("%w: %w", ErrConnection, err))
			}
		} else if err != nil {
			c.end(fmt.Errorf("%w: %w", ErrConnection, err))
		} else {
			c.take(frame)
		}
		c.flush()
		ended := c.err != nil
		c.mu.Unlock()
		if ended {
			return
		}
	}
}

// take takes a frame in. c.mu is held.
func (c *conn) take(frame http2.Frame) {
	id := frame.Header().StreamID
	call := c.calls[id] // nil where it was taken back
	switch f := frame.(type) {
	case *http2.DataFrame:
		c.consumed(int(f.Length))
		if call == nil {
			return
		}
		if err := call.data(f.Data()); err != nil {
			c.drop(id, call, err)
		} else if f.StreamEnded() {
			c.finish(id, call, fmt.Errorf("%w: the response has no status", ErrConnection))
		}
	case *http2.MetaHeadersFrame:
		if call == nil {
			return
		}
		if f.StreamEnded() {
			c.finish(id, call, call.trailers(f))
		} else if status := f.PseudoValue("status"); status != "200" {
			c.drop(id, call, fmt.Errorf("%w: HTTP status %q", ErrConnection, status))
		}
	case *http2.RSTStreamFrame:
		switch {
		case call == nil:
		case f.ErrCode == http2.ErrCodeCancel && !call.until.After(time.Now()): // its clock was first
			c.finish(id, call, context.DeadlineExceeded)
		default:
			c.finish(id, call, fmt.Errorf("%w: the server gave the call up: %v", ErrConnection, f.ErrCode))
		}
	case *http2.SettingsFrame:
		if !f.IsAck() {
			c.settings(f)
		}
	case *http2.WindowUpdateFrame:
		if id == 0 { // those of streams do not matter: a request fits the first window
			c.window += int(f.Increment)
			c.room.Broadcast()
		}
	case *http2.PingFrame:
		if !f.IsAck() {
			c.wrote(c.frames.WritePing(true, f.Data))
		}
	case *http2.GoAwayFrame:
		c.going = true
		for id, call := range c.calls {
			if id > f.LastStreamID {
				c.finish(id, call, errUnused)
			}
		}
		c.room.Broadcast()
	}
}

// settings takes in what the server wants, as far as it matters. c.mu is held.
func (c *conn) settings(f *http2.SettingsFrame) {
	if !c.settled {
		c.settled, c.most = true, math.MaxUint32 // unless it says less
	}
	if most, ok := f.Value(http2.SettingMaxConcurrentStreams); ok {
		c.most = most
	}
	if size, ok := f.Value(http2.SettingHeaderTableSize); ok {
		c.fields.SetMaxDynamicTableSizeLimit(size)
	}
	if size, ok := f.Value(http2.SettingInitialWindowSize); ok && size < initialWindow {
		c.end(fmt.Errorf("%w: the server takes %d bytes of a request, fewer than %d", ErrConnection, size, initialWindow))
	}
	c.room.Broadcast()
	c.wrote(c.frames.WriteSettingsAck())
}

// consumed tells the server now and then that what it sent was read. c.mu is held.
func (c *conn) consumed(n int) {
	if c.unread += n; c.unread >= connWindow/1024 {
		c.wrote(c.frames.WriteWindowUpdate(0, uint32(c.unread)))
		c.unread = 0
	}
}

// data takes in a part of the response.
func (c *call) data(b []byte) error {
	if !c.begun {
		n := min(prefixBytes-len(c.head), len(b))
		c.head, b = append(c.head, b[:n]...), b[n:]
		if len(c.head) < prefixBytes {
			return nil
		}
		size := binary.BigEndian.Uint32(c.head[1:])
		if c.head[0] != 0 || size > streamWindow-prefixBytes {
			return fmt.Errorf("%w: a response that is compressed or longer than %d bytes", ErrConnection, streamWindow-prefixBytes)
		}
		c.begun, c.size = true, int(size)
		c.reply.Body = make([]byte, 0, min(c.size, 1<<20))
	}
	if len(c.reply.Body)+len(b) > c.size {
		return fmt.Errorf("%w: the response is longer than it says", ErrConnection)
	}
	c.reply.Body = append(c.reply.Body, b...)
	return nil
}

// trailers takes in the status.
func (c *call) trailers(f *http2.MetaHeadersFrame) error {
	known := false
	for _, h := range f.Fields {
		switch h.Name {
		case "grpc-status":
			code, err := strconv.ParseUint(h.Value, 10, 32)
			if err != nil {
				return fmt.Errorf("%w: the status is %q", ErrConnection, h.Value)
			}
			known, c.reply.Code = true, uint32(code)
		case "grpc-message":
			c.reply.Message = h.Value
			if s, err := url.PathUnescape(h.Value); err == nil {
				c.reply.Message = s
			}
		case "grpc-status-details-bin":
			details, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(h.Value, "="))
			if err != nil {
				return fmt.Errorf("%w: the status has details that are no base64", ErrConnection)
			}
			c.reply.Details = details
		}
	}
	switch {
	case !known:
		return fmt.Errorf("%w: the response has no status", ErrConnection)
	case c.reply.Code != 0:
		c.reply.Body = nil
	case !c.begun || len(c.reply.Body) != c.size:
		return fmt.Errorf("%w: the response ends early", ErrConnection)
	}
	return nil
}
