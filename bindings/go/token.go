// The access token, whose value fmt cannot print.

package bankhub

// #include "bankhub.h"
import "C"

import (
	"fmt"
	"time"
)

// Token is one access token. It hides its value when it is printed.
type Token struct {
	value      *string // a pointer, because fmt does not follow one in an unexported field, where it cannot call Format
	generation uint64
	expiresAt  int64
}

// Value returns the text to send after "Authorization: Bearer ": 1 to 4,095 characters of visible ASCII (0x21 to 0x7E).
// It is a secret.
func (t Token) Value() string {
	if t.value == nil {
		return ""
	}
	return *t.value
}

// Generation returns the number of the token. It grows with every new token of its cache and is never 0.
func (t Token) Generation() uint64 { return t.generation }

// ExpiresAt returns the time at which the token request was sent, plus the ttl.
func (t Token) ExpiresAt() time.Time { return time.Unix(t.expiresAt, 0) }

// Format implements [fmt.Formatter]. Every verb prints the same text, without the value.
func (t Token) Format(f fmt.State, _ rune) {
	fmt.Fprintf(f, "{value:*** generation:%d expires_at:%s}", t.generation, t.ExpiresAt().UTC().Format(time.RFC3339))
}

func newToken(native *C.bankhub_access_token) *Token {
	value := C.GoStringN(&native.value[0], C.int(native.length))
	return &Token{&value, uint64(native.generation), int64(native.expires_at)}
}
