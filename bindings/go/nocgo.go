// Stops a build without cgo with one line that says what is missing.

//go:build !cgo

package bankhub

var _ int = "bankhub needs cgo: set CGO_ENABLED=1, and CC to a C compiler"
