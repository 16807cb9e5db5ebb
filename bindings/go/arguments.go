// Converts Go values to the arguments of one C call, and wipes the copies after it.

package bankhub

// #include "bankhub.h"
import "C"

import (
	"fmt"
	"math"
	"runtime"
	"strings"
	"time"
	"unsafe"
)

// arguments keeps what C may read until release. err is the first argument that cannot be passed.
type arguments struct {
	pinner runtime.Pinner
	copies [][]byte
	err    error
}

// text returns a NUL-terminated copy of value, which C may read until release.
func (a *arguments) text(field, value string) *C.char {
	if strings.ContainsRune(value, 0) {
		a.refuse(field, "contains a NUL character; remove it")
		return nil
	}
	bytes := make([]byte, len(value)+1)
	copy(bytes, value)
	a.pinner.Pin(&bytes[0])
	a.copies = append(a.copies, bytes)
	return (*C.char)(unsafe.Pointer(&bytes[0]))
}

// optional is text, or NULL for an empty value.
func (a *arguments) optional(field, value string) *C.char {
	if value == "" {
		return nil
	}
	return a.text(field, value)
}

// duration counts the units in value. It rounds up, because 0 means the default in C.
func (a *arguments) duration(field string, value, unit time.Duration) C.uint32_t {
	const most = math.MaxUint32
	if value < 0 || value > most*unit {
		a.refuse(field, fmt.Sprintf("is %v; expected 0 (the default) to %v", value, most*unit))
		return 0
	}
	return C.uint32_t((value + unit - 1) / unit)
}

func (a *arguments) refuse(field, problem string) {
	if a.err == nil {
		a.err = &Error{Status: ErrInvalidArgument, Message: field + " " + problem}
	}
}

func (a *arguments) release() {
	a.pinner.Unpin()
	for _, bytes := range a.copies {
		clear(bytes)
	}
}
