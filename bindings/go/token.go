// One access token, which fmt cannot print.

package bankhub

// #include "bankhub.h"
import "C"

import (
	"fmt"
	"time"
)

// Token is one access token. Printed, it hides its value.
type Token struct {
	value      *string // fmt follows no pointer where it cannot see Format: in an unexported field of another struct
	generation uint64
	expiresAt  int64
}

// Value returns the text that belongs after "Authorization: Bearer ". It is a secret.
func (t Token) Value() string {
	if t.value == nil {
		return ""
	}
	return *t.value
}

// Generation returns the token's number, which grows with every new token of its cache and is never 0.
func (t Token) Generation() uint64 { return t.generation }

// ExpiresAt returns the moment its request was sent, plus its ttl.
func (t Token) ExpiresAt() time.Time { return time.Unix(t.expiresAt, 0) }

// Format implements [fmt.Formatter]: all verbs print the same.
func (t Token) Format(f fmt.State, _ rune) {
	fmt.Fprintf(f, "{value:*** generation:%d expires_at:%s}", t.generation, t.ExpiresAt().UTC().Format(time.RFC3339))
}

func newToken(native *C.bankhub_access_token) *Token {
	value := C.GoStringN(&native.value[0], C.int(native.length))
	return &Token{&value, uint64(native.generation), int64(native.expires_at)}
}
