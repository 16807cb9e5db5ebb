// The errors of this package.

package bankhub

// #include "bankhub.h"
import "C"

import "time"

// Error says why a call failed. Use [errors.As] to get it, and [errors.Is] with an Err constant to test its kind.
//
// If a context ended the wait, the error also is that context's error. If RetryAfter is 0, no wait is known, and Status
// tells whether a retry can help.
type Error struct {
	Status     Status        // one of the Err constants
	HTTPStatus int           // of the response that caused the error; 0 if there was none
	RetryAfter time.Duration // until the next token request may be sent; 0: no known wait
	Message    string        // one sentence for an operator, without any secret

	cause error
}

// Error returns the message.
func (e *Error) Error() string {
	if e.cause != nil {
		return "bankhub: " + e.cause.Error() + ": " + e.Message
	}
	return "bankhub: " + e.Message
}

// Unwrap returns the status and, if a context ended the wait, that context's error.
func (e *Error) Unwrap() []error {
	if e.cause != nil {
		return []error{e.Status, e.cause}
	}
	return []error{e.Status}
}

// Status is the kind of an [Error]. It is an error itself, so that [errors.Is] can compare with it.
type Status int32

// The kinds of error. Each needs a different reaction of the caller.
const (
	// ErrInvalidArgument: an argument is wrong; the message names it. The same call fails again.
	ErrInvalidArgument Status = C.BANKHUB_INVALID_ARGUMENT
	// ErrUnauthenticated: the server refuses the client id or secret, or the client is disabled.
	ErrUnauthenticated Status = C.BANKHUB_UNAUTHENTICATED
	// ErrRateLimited: the server received too many requests. RetryAfter says when the next one may be sent.
	ErrRateLimited Status = C.BANKHUB_RATE_LIMITED
	// ErrUnavailable: the server could not be reached, or it failed. Try again later.
	ErrUnavailable Status = C.BANKHUB_UNAVAILABLE
	// ErrBadResponse: the server sent a response that the API does not document.
	ErrBadResponse Status = C.BANKHUB_BAD_RESPONSE
	// ErrDeadlineExceeded: the caller's context or Config.GetTimeout ended first. The message names the last failure.
	ErrDeadlineExceeded Status = C.BANKHUB_DEADLINE
	// ErrClosed: the cache was closed.
	ErrClosed Status = C.BANKHUB_CLOSED
	// ErrInternal: a defect of the library, a thread that could not start, or a library that is too old.
	ErrInternal Status = C.BANKHUB_INTERNAL
)

// Error returns the name of the status in the C header, such as "BANKHUB_CLOSED".
func (s Status) Error() string {
	return C.GoString(C.bankhub_status_name(C.bankhub_status(s)))
}

func newError(native *C.bankhub_error) *Error {
	return &Error{
		Status:     Status(native.status),
		HTTPStatus: int(native.http_status),
		RetryAfter: time.Duration(native.retry_after_ms) * time.Millisecond,
		Message:    C.GoString(&native.message[0]),
	}
}
