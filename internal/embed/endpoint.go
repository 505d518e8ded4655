package embed

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/cenkalti/backoff/v5"
)

// retryFor bounds the time of all attempts together.
const retryFor = 5 * time.Minute

// endpoint is an address that takes JSON by POST. It is safe for concurrent use.
type endpoint struct {
	url     *url.URL
	key     string        // sent as a bearer token; empty: none is sent
	timeout time.Duration // of one attempt
	retries int
	client  *http.Client
}

// parseEndpoint reads an address; its errors begin with a space, for the name of
// what is wrong to stand in front.
func parseEndpoint(s string) (*url.URL, error) {
	u, err := url.Parse(s)
	if err != nil {
		return nil, errors.New(" cannot be parsed, want http://HOST or https://HOST with an optional path") // its text may hold a password
	}
	if u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, fmt.Errorf(" %q, want http://HOST or https://HOST with an optional path", u.Redacted())
	}
	return u, nil
}

// call sends body until there is a good response, of at most limit bytes, and
// returns it. Otherwise transient says that a call some minutes later may succeed.
//
// Status 429, 5xx and network errors are retried with growing pauses, or after
// the pause that the endpoint asks for in Retry-After. Other statuses are not.
func (e *endpoint) call(ctx context.Context, body []byte, limit int) (response []byte, transient bool, err error) {
	attempt := func() ([]byte, error) {
		data, err := e.post(ctx, body, limit)
		transient = passing(err)
		return data, err
	}
	response, err = backoff.Retry(ctx, attempt, backoff.WithMaxTries(uint(e.retries)+1), backoff.WithMaxElapsedTime(retryFor))
	return response, err != nil && transient && ctx.Err() == nil, err
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

// post makes one attempt and returns the body of a good response. Errors that
// are not worth another attempt are marked permanent.
func (e *endpoint) post(parent context.Context, body []byte, limit int) ([]byte, error) {
	ctx, cancel := context.WithTimeout(parent, e.timeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, e.url.String(), bytes.NewReader(body))
	if err != nil {
		return nil, backoff.Permanent(err)
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Accept", "application/json")
	if e.key != "" {
		request.Header.Set("Authorization", "Bearer "+e.key)
	}
	response, err := e.client.Do(request)
	if err != nil {
		return nil, e.broken(parent, ctx, err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, statusError(response)
	}
	data, err := io.ReadAll(io.LimitReader(response.Body, int64(limit)+1))
	if err != nil {
		return nil, e.broken(parent, ctx, fmt.Errorf("read response: %w", err))
	}
	if len(data) > limit {
		return nil, backoff.Permanent(fmt.Errorf("%w: the response is longer than %d bytes", ErrContract, limit))
	}
	return data, nil
}

// broken returns the error of an attempt without a response. An attempt that
// took too long is no end of the caller's context, and does not read like one.
func (e *endpoint) broken(parent, ctx context.Context, err error) error {
	if parent.Err() == nil && ctx.Err() != nil {
		return fmt.Errorf("no response within %v", e.timeout)
	}
	if u := (*url.Error)(nil); errors.As(err, &u) {
		return u.Err // without the URL: its query may hold a key, and clients of a server see the error
	}
	return err
}
