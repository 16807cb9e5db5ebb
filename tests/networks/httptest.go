// httptest serves one token with TLS, as the Go tests of users do, until its standard input ends. It prints its
// address, and writes its certificate into the file that it is given.
package main

import (
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
)

func main() {
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusCreated)
		io.WriteString(w, `{"access_token":"from-httptest","ttl":60000}`)
	}))
	defer server.Close()
	certificate := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	if err := os.WriteFile(os.Args[1], certificate, 0o600); err != nil {
		panic(err)
	}
	fmt.Println(server.URL)
	io.Copy(io.Discard, os.Stdin)
}
