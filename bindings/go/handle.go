// Calls the C ABI. A handle is a number that C declares as a pointer. It becomes a pointer only in C, because the
// garbage collector and checkptr must never see it as one.
//
// There is no #cgo noescape, which would put tokens on a stack, and no #cgo nocallback, which makes handle_generation
// slower.

package bankhub

/*
#cgo pkg-config: bankhub

#include "bankhub.h"

static inline bankhub_status handle_new(const bankhub_config *config, uintptr_t *out, bankhub_error *error) {
	bankhub_token *token;
	bankhub_status status = bankhub_token_new(config, &token, error);
	*out = (uintptr_t)token;
	return status;
}

static inline bankhub_status handle_get(uintptr_t handle, uint32_t timeout_ms, bankhub_access_token *out,
                                        bankhub_error *error) {
	return bankhub_token_get((const bankhub_token *)handle, timeout_ms, out, error);
}

static inline uint64_t handle_generation(uintptr_t handle) {
	return bankhub_token_generation((const bankhub_token *)handle);
}

static inline bankhub_status handle_invalidate(uintptr_t handle, const char *rejected, bankhub_error *error) {
	return bankhub_token_invalidate((const bankhub_token *)handle, rejected, error);
}

static inline bankhub_status handle_stats(uintptr_t handle, bankhub_stats *out) {
	return bankhub_token_stats((const bankhub_token *)handle, out);
}

static inline void handle_free(uintptr_t handle) {
	bankhub_token_free((bankhub_token *)handle);
}
*/
import "C"

import "time"

type handle uintptr

func newHandle(config Config) (handle, error) {
	if err := checkLibrary(); err != nil {
		return 0, err
	}
	var args arguments
	defer args.release()
	native := config.native(&args)
	if args.err != nil {
		return 0, args.err
	}
	var h C.uintptr_t
	var failure C.bankhub_error
	if C.handle_new(&native, &h, &failure) != C.BANKHUB_OK {
		return 0, newError(&failure)
	}
	return handle(h), nil
}

// get returns its failure as *Error, because its caller reads the status and sets the cause.
func (h handle) get(timeout time.Duration) (*Token, *Error) {
	var native C.bankhub_access_token // on the heap, which Go does not move: a stack that grows would leave a copy
	defer C.bankhub_access_token_wipe(&native)
	var failure C.bankhub_error
	if C.handle_get(C.uintptr_t(h), C.uint32_t(timeout.Milliseconds()), &native, &failure) != C.BANKHUB_OK {
		return nil, newError(&failure)
	}
	return newToken(&native), nil
}

func (h handle) generation() uint64 {
	return uint64(C.handle_generation(C.uintptr_t(h)))
}

func (h handle) invalidate(token string) error {
	var args arguments
	defer args.release()
	rejected := args.text("token", token)
	if args.err != nil {
		return args.err
	}
	var failure C.bankhub_error
	if C.handle_invalidate(C.uintptr_t(h), rejected, &failure) != C.BANKHUB_OK {
		return newError(&failure)
	}
	return nil
}

func (h handle) stats() (Stats, error) {
	native := C.bankhub_stats{size: C.sizeof_bankhub_stats}
	if status := C.handle_stats(C.uintptr_t(h), &native); status != C.BANKHUB_OK {
		return Stats{}, &Error{Status: Status(status), Message: Status(status).Error()}
	}
	return newStats(&native), nil
}

func (h handle) free() {
	C.handle_free(C.uintptr_t(h))
}
