module bankhub.invalid/storm

go 1.26.0

require bankhub.invalid/bankhub v0.0.0

require golang.org/x/oauth2 v0.37.0 // indirect

replace bankhub.invalid/bankhub => ../../../bindings/go
