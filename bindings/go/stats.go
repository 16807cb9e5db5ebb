// What a cache has done and is doing, for monitoring.

package bankhub

// #include "bankhub.h"
import "C"

import "time"

// Stats is what a cache has done and is doing: for monitoring, never for deciding when to ask. It holds no secret.
type Stats struct {
	Generation uint64 // of the token that Get would return at once; 0 if there is none

	// Each is the zero Time where there is none.
	ExpiresAt     time.Time // of the current token
	RefreshAt     time.Time // from when on it is renewed beside its callers
	NextAttemptAt time.Time // before which no token request goes out
	LastSuccessAt time.Time
	LastFailureAt time.Time

	Requests            uint64 // token requests sent
	Successes           uint64 // of them, those that brought a usable token
	Failures            uint64 // of them, those that did not
	ConsecutiveFailures uint64 // failures since the last success
	Rejections          uint64 // calls of Invalidate that named the current token
	IgnoredRejections   uint64 // calls of Invalidate that named anything else
	Waiters             uint64 // calls that wait inside the library now
	Fetching            bool   // whether a fetch is in flight

	LastError *Error // of the last failed fetch, or else of the store; nil if there was none since
}

func newStats(native *C.bankhub_stats) Stats {
	stats := Stats{
		Generation:          uint64(native.generation),
		ExpiresAt:           moment(native.expires_at),
		RefreshAt:           moment(native.refresh_at),
		NextAttemptAt:       moment(native.next_attempt_at),
		LastSuccessAt:       moment(native.last_success_at),
		LastFailureAt:       moment(native.last_failure_at),
		Requests:            uint64(native.requests),
		Successes:           uint64(native.successes),
		Failures:            uint64(native.failures),
		ConsecutiveFailures: uint64(native.consecutive_failures),
		Rejections:          uint64(native.rejections),
		IgnoredRejections:   uint64(native.ignored_rejections),
		Waiters:             uint64(native.waiters),
		Fetching:            native.fetching != 0,
	}
	if native.last_error.status != C.BANKHUB_OK {
		stats.LastError = newError(&native.last_error)
	}
	return stats
}

func moment(unix C.int64_t) time.Time {
	if unix == 0 {
		return time.Time{}
	}
	return time.Unix(int64(unix), 0)
}
