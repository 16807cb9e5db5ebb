module bankhub.invalid/comparison

go 1.24.0

require (
	bankhub.invalid/bankhub v0.0.0
	golang.org/x/oauth2 v0.35.0 // the peer
)

replace bankhub.invalid/bankhub => ../../../bindings/go
