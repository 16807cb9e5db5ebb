module client

go 1.24

require bankhub.invalid/bankhub v0.0.0

replace bankhub.invalid/bankhub => ../../../../bindings/go
