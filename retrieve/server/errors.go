package server

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/protoadapt"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/ragloop/ragloop/internal/admit"
	"github.com/ragloop/ragloop/internal/index"
	"github.com/ragloop/ragloop/internal/text"
	"github.com/ragloop/ragloop/internal/tokens"
	"github.com/ragloop/ragloop/retrieve"
	"github.com/ragloop/ragloop/retrieve/pack"
)

var (
	errReadOnly = errors.New("this server takes no documents")
	errTooLarge = errors.New("too large")
)

// sentinels is the one table from domain errors to codes; the first match
// counts. A field makes it a BadRequest for that field. What becomes UNAVAILABLE, here
// or by upstream, was tried again already by whoever asks what is behind us: it
// comes with noRetry, and whether to ask once more is for the caller to decide.
var sentinels = []struct {
	err   error
	code  codes.Code
	field string
}{
	{pack.ErrBudget, codes.InvalidArgument, "budget_tokens"},
	{tokens.ErrUnknownEncoding, codes.InvalidArgument, "tokenizer"},
	{index.ErrPageToken, codes.InvalidArgument, "page_token"},
	{text.ErrRange, codes.OutOfRange, ""},
	{index.ErrNoCollection, codes.NotFound, ""},
	{index.ErrNoDocument, codes.NotFound, ""},
	{index.ErrRecipe, codes.FailedPrecondition, ""},
	{index.ErrUnindexed, codes.FailedPrecondition, ""},
	{index.ErrInvalid, codes.InvalidArgument, ""},
	{index.ErrChanged, codes.Aborted, ""},
	{index.ErrDamaged, codes.DataLoss, ""},
	{index.ErrUnavailable, codes.Unavailable, ""},
	{ErrUnavailable, codes.Unavailable, ""},
	{errReadOnly, codes.Unimplemented, ""},
	{errNoFeedback, codes.Unimplemented, ""},
	{ErrFeedbackID, codes.AlreadyExists, ""},
	{ErrFeedbackFull, codes.ResourceExhausted, ""},
	{errTooLarge, codes.ResourceExhausted, ""},
}

// upstream maps the codes of the index behind us. What it refuses for good, by a
// limit of its strict mode or for want of a key, only its operator can change. A code
// that is not here is UNAVAILABLE where a leg failed, otherwise our own fault: INTERNAL.
var upstream = map[codes.Code]codes.Code{
	codes.Unavailable:        codes.Unavailable,
	codes.DeadlineExceeded:   codes.Unavailable, // its deadline; ours is handled first
	codes.Canceled:           codes.Unavailable,
	codes.Aborted:            codes.Unavailable,
	codes.ResourceExhausted:  codes.Unavailable,
	codes.DataLoss:           codes.DataLoss,
	codes.InvalidArgument:    codes.FailedPrecondition,
	codes.FailedPrecondition: codes.FailedPrecondition,
	codes.PermissionDenied:   codes.FailedPrecondition,
	codes.Unauthenticated:    codes.FailedPrecondition,
	codes.Unimplemented:      codes.Internal,
}

// violation is a field of a request that is not allowed.
type violation struct{ field, problem string }

// invalidRequest is an error that names fields.
type invalidRequest []violation

func (e invalidRequest) Error() string {
	var texts []string
	for _, v := range e {
		texts = append(texts, v.field+" "+v.problem)
	}
	return "invalid request: " + strings.Join(texts, "; ")
}

func (e *invalidRequest) add(field, format string, args ...any) {
	*e = append(*e, violation{field, fmt.Sprintf(format, args...)})
}

// addAll adds every retrieve.InvalidError of err, with a prefix but for the
// query, which is no search option.
func (e *invalidRequest) addAll(err error, prefix string) {
	for _, invalid := range invalids(err) {
		field := invalid.Field
		if field != "query" {
			field = prefix + field
		}
		e.add(field, "%s", invalid.Problem)
	}
}

// sorted returns e ordered by field, then problem; nil without violations.
func (e invalidRequest) sorted() error {
	slices.SortFunc(e, func(a, b violation) int {
		return cmp.Or(strings.Compare(a.field, b.field), strings.Compare(a.problem, b.problem))
	})
	return e.err()
}

// err returns e, nil without violations.
func (e invalidRequest) err() error {
	if len(e) == 0 {
		return nil
	}
	return e
}

// invalids returns every retrieve.InvalidError in the tree of err.
func invalids(err error) []*retrieve.InvalidError {
	switch e := err.(type) {
	case nil:
		return nil
	case *retrieve.InvalidError:
		return []*retrieve.InvalidError{e}
	case interface{ Unwrap() error }:
		return invalids(e.Unwrap())
	case interface{ Unwrap() []error }:
		var all []*retrieve.InvalidError
		for _, inner := range e.Unwrap() {
			all = append(all, invalids(inner)...)
		}
		return all
	}
	return nil
}

// errorDomain is the domain of the reasons in google.rpc.ErrorInfo.
const errorDomain = "ragloop"

// missing is an error that names what was not found.
type missing struct {
	kind, name string
	err        error
}

func (e *missing) Error() string { return e.err.Error() }
func (e *missing) Unwrap() error { return e.err }

// received is an error of the transport, which has its code already: it passes
// as it is.
type received struct{ error }

// statusOf returns what err is on the wire. ctx is the one of the call.
func statusOf(ctx context.Context, err error) *status.Status {
	switch {
	case expired(ctx):
		return status.New(codes.DeadlineExceeded, wireText(err))
	case ctx.Err() != nil:
		return status.New(codes.Canceled, wireText(err))
	}
	var fields invalidRequest
	var rejected *RejectedError
	var transport received
	var refused *admit.Refusal
	switch {
	case errors.As(err, &transport):
		return status.Convert(transport.error)
	case errors.As(err, &refused):
		return refusal(refused)
	case errors.As(err, &fields):
		return badRequest(err, fields)
	case errors.As(err, &rejected):
		st := badRequest(err, invalidRequest{{"document." + rejected.Field, rejected.Err.Error()}})
		if rejected.Reason != "" {
			st = withDetail(st, &errdetails.ErrorInfo{Reason: strings.ToUpper(rejected.Reason), Domain: errorDomain})
		}
		return st
	}
	if fields.addAll(err, "search."); len(fields) > 0 {
		return badRequest(fields, fields)
	}
	for _, s := range sentinels {
		if !errors.Is(err, s.err) {
			continue
		}
		if s.field != "" {
			return badRequest(err, invalidRequest{{s.field, err.Error()}})
		}
		var m *missing
		if s.code == codes.NotFound && errors.As(err, &m) {
			return withDetail(status.New(s.code, wireText(err)), &errdetails.ResourceInfo{
				ResourceType: m.kind, ResourceName: m.name, Description: wireText(err),
			})
		}
		return status.New(s.code, wireText(err))
	}
	if st, ok := status.FromError(err); ok {
		if code, known := upstream[st.Code()]; known {
			return status.New(code, wireText(err))
		}
	}
	code := codes.Internal
	switch {
	case errors.Is(err, retrieve.ErrLeg):
		code = codes.Unavailable
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		code = codes.Unavailable // of something behind us
	}
	return status.New(code, wireText(err))
}

// refusal returns what a call that was not admitted is told.
func refusal(r *admit.Refusal) *status.Status {
	if errors.Is(r, admit.ErrLate) {
		return status.New(codes.DeadlineExceeded, r.Error())
	}
	return withDetail(status.New(codes.ResourceExhausted, r.Error()), &errdetails.RetryInfo{RetryDelay: durationpb.New(r.RetryAfter)})
}

// expired reports whether a call has ended for want of time. A client whose deadline
// comes ends the call at once, and that is mostly heard of here before the deadline is
// noticed, which began later by the way that it took to come: such a call is not one
// that somebody gave up.
func expired(ctx context.Context) bool {
	deadline, ok := ctx.Deadline()
	return ok && ctx.Err() != nil && time.Until(deadline) < noticedWithin
}

// noticedWithin is above what the two clocks of a call are apart, and below the time in
// which anybody would give up by himself.
const noticedWithin = 10 * time.Millisecond

func badRequest(err error, fields invalidRequest) *status.Status {
	detail := &errdetails.BadRequest{}
	for _, v := range fields {
		detail.FieldViolations = append(detail.FieldViolations, &errdetails.BadRequest_FieldViolation{
			Field: v.field, Description: strings.ToValidUTF8(v.problem, "\uFFFD"),
		})
	}
	return withDetail(status.New(codes.InvalidArgument, wireText(err)), detail)
}

func withDetail(st *status.Status, detail protoadapt.MessageV1) *status.Status {
	if with, err := st.WithDetails(detail); err == nil {
		return with
	}
	return st // unreachable: the code is not OK and the detail's strings are UTF-8
}

// wireText returns the text of err as protobuf allows it.
func wireText(err error) string { return strings.ToValidUTF8(err.Error(), "\uFFFD") }
