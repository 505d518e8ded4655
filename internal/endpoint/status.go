package endpoint

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/cenkalti/backoff/v5"
)

// StatusError is a response with another status than 200.
type StatusError struct {
	Code    int
	Message string // what the endpoint said: on one line, cut, without the key
}

func (e *StatusError) Error() string {
	return fmt.Sprintf("status %d %s: %s", e.Code, http.StatusText(e.Code), e.Message)
}

// again reports whether err says word for word what e did, by a status that means
// anything and without asking for a pause: some endpoints refuse so what they do not
// like. A nil e says nothing, and neither does the name of the status alone, which is
// what frameworks say of any failure.
func (e *StatusError) again(err error) bool {
	var now *StatusError
	var after *backoff.RetryAfterError
	return e != nil && errors.As(err, &now) && !errors.As(err, &after) &&
		now.Code == http.StatusInternalServerError && *now == *e && e.Message != noMessage &&
		!strings.Contains(strings.ToLower(e.Message), "internal server error")
}

const (
	// noMessage is the message of a body that has none.
	noMessage = "no message"
	// maxErrorBytes is what is read of the body of an error.
	maxErrorBytes = 64 << 10
	// maxErrorText is the length of an endpoint's message that is passed on.
	maxErrorText = 300
)

// statusError turns a response that is not 200 into an error: permanent, or to
// be retried, perhaps after the pause that the endpoint asks for.
func (e *Endpoint) statusError(r *http.Response) error {
	raw, _ := io.ReadAll(io.LimitReader(r.Body, maxErrorBytes))       // the status is what matters
	if to, err := r.Location(); err == nil && r.StatusCode/100 == 3 { // without its query, which may hold a key
		raw = []byte("redirects are not followed, this one leads to " + to.Scheme + "://" + to.Host + to.EscapedPath())
	}
	err := &StatusError{Code: r.StatusCode, Message: e.Message(raw)}
	if r.StatusCode != http.StatusTooManyRequests && r.StatusCode < 500 {
		return backoff.Permanent(err)
	}
	if pause, ok := retryAfter(r.Header.Get("Retry-After")); ok {
		return fmt.Errorf("%w (%w)", err, &backoff.RetryAfterError{Duration: pause})
	}
	return err
}

// Message returns the message in the body of an error, on one line, cut, and
// without the key: that of OpenAI's form {"error":{"message"}}, of {"error":"…"},
// {"message":"…"} or {"detail":"…"}, or the beginning of whatever it is.
func (e *Endpoint) Message(raw []byte) string {
	text := message(raw)
	if e.config.APIKey != "" { // before it is cut: a part of a key is no less secret
		text = strings.ReplaceAll(text, e.config.APIKey, "********")
	}
	text = strings.Join(strings.Fields(strings.ToValidUTF8(text, "\ufffd")), " ")
	text = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) { // it may end up on a terminal
			return '\ufffd'
		}
		return r
	}, text)
	if text == "" {
		return noMessage
	}
	if len(text) > maxErrorText {
		text = strings.ToValidUTF8(text[:maxErrorText], "") + "…"
	}
	return text
}

func message(raw []byte) string {
	var body struct {
		Error   json.RawMessage `json:"error"`
		Message json.RawMessage `json:"message"`
		Detail  json.RawMessage `json:"detail"`
	}
	if json.Unmarshal(raw, &body) != nil {
		return string(raw)
	}
	var inner struct {
		Message string `json:"message"`
	}
	if json.Unmarshal(body.Error, &inner) == nil && inner.Message != "" {
		return inner.Message
	}
	for _, field := range []json.RawMessage{body.Error, body.Message, body.Detail} {
		var s string
		if json.Unmarshal(field, &s) == nil && s != "" {
			return s
		}
	}
	return string(raw)
}

// retryAfter reads the header's two forms, seconds and a date.
func retryAfter(header string) (time.Duration, bool) {
	if seconds, err := strconv.Atoi(strings.TrimSpace(header)); err == nil && seconds >= 0 && seconds < 1<<30 {
		return time.Duration(seconds) * time.Second, true
	}
	if at, err := http.ParseTime(header); err == nil {
		return max(0, time.Until(at)), true
	}
	return 0, false
}
