module bankhub.invalid/bankhub

go 1.24
