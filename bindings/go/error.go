// What can go wrong, as Go errors.

package bankhub

// #include "bankhub.h"
import "C"

import "time"

// Error is why a call failed. Find it with [errors.As], and its kind with [errors.Is] and the Err constants.
//
// Where a context ended the wait, it also is that context's error.
type Error struct {
	Status     Status        // one of the Err constants
	HTTPStatus int           // of the answer behind the error; 0 if there was none
	RetryAfter time.Duration // until the next token request may go out; 0: now, or never
	Message    string        // one sentence for an operator, which never holds a secret

	cause error
}

// Error returns the message.
func (e *Error) Error() string {
	if e.cause != nil {
		return "bankhub: " + e.cause.Error() + ": " + e.Message
	}
	return "bankhub: " + e.Message
}

// Unwrap returns the status and, where a context ended the wait, that context's error.
func (e *Error) Unwrap() []error {
	if e.cause != nil {
		return []error{e.Status, e.cause}
	}
	return []error{e.Status}
}

// Status is the kind of an [Error], and itself an error for [errors.Is] to compare with.
type Status int32

// The kinds of error. Each asks something else of the caller.
const (
	// ErrInvalidArgument: an argument is wrong, and the message names it. The same call fails again.
	ErrInvalidArgument Status = C.BANKHUB_INVALID_ARGUMENT
	// ErrUnauthenticated: the client id or secret is refused or disabled.
	ErrUnauthenticated Status = C.BANKHUB_UNAUTHENTICATED
	// ErrRateLimited: too many requests. RetryAfter says when the next one may go out.
	ErrRateLimited Status = C.BANKHUB_RATE_LIMITED
	// ErrUnavailable: the server was not reached, or could not answer. Try later.
	ErrUnavailable Status = C.BANKHUB_UNAVAILABLE
	// ErrBadResponse: an answer that the API does not promise.
	ErrBadResponse Status = C.BANKHUB_BAD_RESPONSE
	// ErrDeadlineExceeded: the caller's context, or Config.GetTimeout, ended first. The message names the last failure.
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
