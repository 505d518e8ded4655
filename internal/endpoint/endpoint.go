// Package endpoint calls remote services that take JSON and give JSON: what
// clients of embedders, rerankers, language models and classifiers have in
// common, whatever protocol they speak over it.
//
// It posts bytes and returns bytes, with a time limit for each attempt, retries
// that honour Retry-After, a limit on what is read, a limit on calls at once, and
// errors that show what the service said but never the key. It knows no protocol
// and keeps nothing.
package endpoint

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/cenkalti/backoff/v5"

	"github.com/ragloop/ragloop/internal/away"
)

// Config describes an endpoint.
type Config struct {
	URL          string        // http or https; required
	Path         string        // is put behind that of URL, for protocols with a base URL; empty: URL is the whole of it
	APIKey       string        // sent as a bearer token; empty: none is sent
	Timeout      time.Duration // of one attempt; 0: 60 s
	MaxRetries   int           // of one call; 0: 6; negative: none
	Concurrency  int           // calls at once, more wait; 0: 4; negative: any number
	MaxBodyBytes int64         // of a response; 0: 8 MiB

	Client *http.Client // nil: one of its own, which follows no redirect: what is posted goes to URL alone
}

// Endpoint is a service at one address. Safe for concurrent use.
type Endpoint struct {
	config Config
	host   string
	slots  chan struct{} // nil: no limit
}

// ErrUnavailable is wrapped by errors of an endpoint that cannot be reached, or
// has too much to do: the same call may succeed later.
var ErrUnavailable = errors.New("endpoint unavailable")

// ErrTooLong is wrapped by the error about a response longer than its limit.
var ErrTooLong = errors.New("the response is too long")

// retryFor is how long a call is retried in all.
const retryFor = 5 * time.Minute

// New returns the endpoint. Nothing is sent yet.
func New(c Config) (*Endpoint, error) {
	u, err := url.Parse(c.URL)
	switch {
	case err != nil:
		return nil, errors.New("the URL cannot be parsed, want http://HOST or https://HOST with an optional path") // its text may hold a password
	case u.Scheme != "http" && u.Scheme != "https" || u.Host == "":
		return nil, fmt.Errorf("the URL is %q, want http://HOST or https://HOST with an optional path", u.Redacted())
	case c.Timeout < 0 || c.MaxBodyBytes < 0:
		return nil, fmt.Errorf("timeout %v, longest body %d: neither may be negative", c.Timeout, c.MaxBodyBytes)
	case strings.ContainsFunc(c.APIKey, func(r rune) bool { return r <= ' ' || r == 0x7F }):
		return nil, errors.New("the API key has white space or control characters")
	}
	if c.Timeout == 0 {
		c.Timeout = time.Minute
	}
	if c.MaxRetries == 0 {
		c.MaxRetries = 6
	}
	c.MaxRetries = max(c.MaxRetries, 0)
	if c.Concurrency == 0 {
		c.Concurrency = 4
	}
	if c.MaxBodyBytes == 0 {
		c.MaxBodyBytes = 8 << 20
	}
	if c.Client == nil {
		c.Client = &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	}
	if c.Path != "" {
		c.URL = u.JoinPath(c.Path).String()
	}
	e := &Endpoint{config: c, host: u.Host}
	if c.Concurrency > 0 {
		e.slots = make(chan struct{}, c.Concurrency)
	}
	return e, nil
}

// Host returns host and port, for messages.
func (e *Endpoint) Host() string { return e.host }

// Post sends a JSON body and returns that of the response with status 200.
//
// Status 429, 5xx and network errors are retried with growing pauses, or after
// the pause that the endpoint asks for in Retry-After, for five minutes at most and
// never in vain: a pause beyond ctx's deadline ends the call at once, and so does a
// status 500 that gives the same reason twice in a row. A call keeps
// its place among Config.Concurrency meanwhile. Other statuses are not retried and
// are a [*StatusError]. When all attempts have failed the error wraps
// [ErrUnavailable], unless the endpoint asks for a pause of more than five minutes.
// A body that is too long is [ErrTooLong]. When ctx ends, so does Post, with its
// error. From its beginning to its end whoever made the call of ctx is away, as
// package away has it.
func (e *Endpoint) Post(ctx context.Context, body []byte) ([]byte, error) {
	return e.PostUpTo(ctx, body, e.config.MaxBodyBytes)
}

// PostUpTo is [Endpoint.Post] with another limit of the response than
// Config.MaxBodyBytes, for services whose answers grow with the question.
func (e *Endpoint) PostUpTo(ctx context.Context, body []byte, maxBytes int64) ([]byte, error) {
	defer away.Begin(ctx)() // pauses and waiting for a place included
	if e.slots != nil {
		select {
		case e.slots <- struct{}{}:
			defer func() { <-e.slots }()
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	var transient bool
	var last *StatusError // of the attempt before
	response, err := backoff.Retry(ctx,
		func() ([]byte, error) {
			data, err := e.attempt(ctx, body, maxBytes)
			transient = passing(err)
			if inVain(ctx, err) || last.again(err) {
				err = backoff.Permanent(err)
			}
			last = nil
			errors.As(err, &last)
			return data, err
		},
		backoff.WithMaxTries(uint(e.config.MaxRetries)+1),
		backoff.WithMaxElapsedTime(retryFor))
	switch {
	case err == nil:
		return response, nil
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case transient:
		return nil, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	return nil, err
}

// passing reports whether err may be gone some minutes later: an endpoint that
// asks for a longer pause says that it will not be.
func passing(err error) bool {
	if permanent := (*backoff.PermanentError)(nil); errors.As(err, &permanent) {
		return false
	}
	after := (*backoff.RetryAfterError)(nil)
	return !errors.As(err, &after) || after.Duration <= retryFor
}

// inVain reports whether err asks for a pause that ctx does not leave time for:
// who waits for an answer gets the error now, and not at the end of his patience.
func inVain(ctx context.Context, err error) bool {
	after := (*backoff.RetryAfterError)(nil)
	deadline, limited := ctx.Deadline()
	return limited && errors.As(err, &after) && after.Duration >= time.Until(deadline)
}

// attempt posts once and returns the body of a good response. Errors that are
// not worth another attempt are marked permanent.
func (e *Endpoint) attempt(parent context.Context, body []byte, maxBytes int64) ([]byte, error) {
	ctx, cancel := context.WithTimeout(parent, e.config.Timeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, e.config.URL, bytes.NewReader(body))
	if err != nil {
		return nil, backoff.Permanent(err) // unreachable: New parsed the URL
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Accept", "application/json")
	if e.config.APIKey != "" {
		request.Header.Set("Authorization", "Bearer "+e.config.APIKey)
	}
	response, err := e.config.Client.Do(request)
	if err != nil {
		return nil, e.broken(parent, ctx, err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, e.statusError(response)
	}
	data, err := io.ReadAll(io.LimitReader(response.Body, maxBytes+1))
	if err != nil {
		return nil, e.broken(parent, ctx, fmt.Errorf("read response: %w", err))
	}
	if int64(len(data)) > maxBytes {
		return nil, backoff.Permanent(fmt.Errorf("%w: more than %d bytes", ErrTooLong, maxBytes))
	}
	return data, nil
}

// broken returns the error of an attempt without a response. An attempt that
// took too long is no end of the caller's context, and does not read like one.
func (e *Endpoint) broken(parent, ctx context.Context, err error) error {
	if parent.Err() == nil && ctx.Err() != nil {
		return fmt.Errorf("no response within %v", e.config.Timeout)
	}
	if u := (*url.Error)(nil); errors.As(err, &u) {
		err = u.Err // without the URL: its query may hold a key
	}
	return err
}

// Rejects reports whether err is the endpoint's refusal of the request itself:
// the same one will fail again, another may not.
func Rejects(err error) bool {
	var s *StatusError
	return errors.As(err, &s) && slices.Contains([]int{
		http.StatusBadRequest, http.StatusRequestEntityTooLarge, http.StatusUnprocessableEntity,
	}, s.Code)
}
