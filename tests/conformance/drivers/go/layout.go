// The struct layouts as cgo sees them, and the constants as the package declares them.

package main

// #cgo CFLAGS: -I${SRCDIR}/../../../../include
// #include "bankhub.h"
import "C"

import (
	"reflect"
	"strings"

	"bankhub.invalid/bankhub"
)

func layout() string {
	pairs := []any{
		"const.BANKHUB_SANDBOX_URL", bankhub.SandboxURL,
		"const.BANKHUB_PRODUCTION_URL", bankhub.ProductionURL,
		"const.BANKHUB_INVALID_ARGUMENT", int32(bankhub.ErrInvalidArgument),
		"const.BANKHUB_UNAUTHENTICATED", int32(bankhub.ErrUnauthenticated),
		"const.BANKHUB_RATE_LIMITED", int32(bankhub.ErrRateLimited),
		"const.BANKHUB_UNAVAILABLE", int32(bankhub.ErrUnavailable),
		"const.BANKHUB_BAD_RESPONSE", int32(bankhub.ErrBadResponse),
		"const.BANKHUB_DEADLINE", int32(bankhub.ErrDeadlineExceeded),
		"const.BANKHUB_CLOSED", int32(bankhub.ErrClosed),
		"const.BANKHUB_INTERNAL", int32(bankhub.ErrInternal),
	}
	for _, native := range []any{C.bankhub_config{}, C.bankhub_access_token{}, C.bankhub_error{}, C.bankhub_stats{}} {
		of := reflect.TypeOf(native)
		name := strings.TrimPrefix(of.Name(), "_Ctype_struct_")
		pairs = append(pairs, "sizeof."+name, of.Size())
		for i := range of.NumField() {
			pairs = append(pairs, "offsetof."+name+"."+of.Field(i).Name, of.Field(i).Offset)
		}
	}
	return result(nil, pairs...)
}
