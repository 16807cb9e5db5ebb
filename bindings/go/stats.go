// The statistics of a cache, for monitoring.

package bankhub

// #include "bankhub.h"
import "C"

import "time"

// Stats has the counters and times of a cache. They are for monitoring, not for deciding when to call Get. It contains
// no secret.
type Stats struct {
	Generation uint64 // of the token that Get would return at once; 0 if there is none

	// A time that is not known is the zero Time.
	ExpiresAt     time.Time // when the current token expires
	RefreshAt     time.Time // when the refresh of the current token in the background is due
	NextAttemptAt time.Time // no token request is sent before this time
	LastSuccessAt time.Time // when a token request last returned a usable token
	LastFailureAt time.Time // when a token request last failed

	Requests            uint64 // token requests sent
	Successes           uint64 // token requests that returned a usable token
	Failures            uint64 // token requests that failed
	ConsecutiveFailures uint64 // failures since the last success
	Rejections          uint64 // calls of Invalidate with the current token
	IgnoredRejections   uint64 // calls of Invalidate with any other text
	Waiters             uint64 // calls that wait inside the library now
	Fetching            bool   // whether a fetch is in flight

	LastError *Error // of the last failed fetch, until one succeeds, else of the store, until it works again; or nil
}

func newStats(native *C.bankhub_stats) Stats {
	stats := Stats{
		Generation:          uint64(native.generation),
		ExpiresAt:           unixTime(native.expires_at),
		RefreshAt:           unixTime(native.refresh_at),
		NextAttemptAt:       unixTime(native.next_attempt_at),
		LastSuccessAt:       unixTime(native.last_success_at),
		LastFailureAt:       unixTime(native.last_failure_at),
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

func unixTime(seconds C.int64_t) time.Time {
	if seconds == 0 {
		return time.Time{}
	}
	return time.Unix(int64(seconds), 0)
}
