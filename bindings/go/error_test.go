// Tests what errors.Is and errors.As find in an Error.

package bankhub

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"
)

func TestMatchesStatusAndCause(t *testing.T) {
	all := []error{ErrInvalidArgument, ErrUnauthenticated, ErrRateLimited, ErrUnavailable, ErrBadResponse,
		ErrDeadlineExceeded, ErrClosed, ErrInternal, context.Canceled, context.DeadlineExceeded}
	for _, c := range []struct {
		err  *Error
		want []error
	}{
		{&Error{Status: ErrRateLimited}, []error{ErrRateLimited}},
		{&Error{Status: ErrDeadlineExceeded, cause: context.Canceled}, []error{ErrDeadlineExceeded, context.Canceled}},
	} {
		wrapped := fmt.Errorf("payment: %w", c.err)
		for _, other := range all {
			want := false
			for _, w := range c.want {
				want = want || w == other
			}
			if errors.Is(wrapped, other) != want {
				t.Errorf("errors.Is(%v, %v) = %v", wrapped, other, !want)
			}
		}
	}
}

func TestReportsHTTPStatusAndRetryAfter(t *testing.T) {
	s, tokens := newMockServer(t)
	s.post(t, "/responses", `{"count":1,"status":429,"headers":{"Retry-After":"7"},"body":""}`)
	_, err := tokens.Get(t.Context())
	var failure *Error
	if !errors.As(err, &failure) {
		t.Fatalf("got %v; want an *Error", err)
	}
	if failure.Status != ErrRateLimited || failure.HTTPStatus != 429 || failure.Message == "" {
		t.Errorf("got %#v", failure)
	}
	if failure.RetryAfter <= 6*time.Second || failure.RetryAfter > 7*time.Second {
		t.Errorf("RetryAfter is %v; want 7 s", failure.RetryAfter)
	}
	stats, err := tokens.Stats()
	if err != nil || !errors.Is(stats.LastError, ErrRateLimited) {
		t.Errorf("LastError is %v, %v; want ErrRateLimited", stats.LastError, err)
	}
}

func TestReportsClosedCache(t *testing.T) {
	_, tokens := newMockServer(t)
	tokens.Close()
	tokens.Close()
	_, err := tokens.Stats()
	if !errors.Is(err, ErrClosed) || err.Error() != "bankhub: BANKHUB_CLOSED" {
		t.Errorf("got %v", err)
	}
}
