// Gives each test a mock server and a cache for it, and the examples their environment.

package bankhub

import (
	"log"
	"net/http"
	"os"
	"strings"
	"testing"

	"bankhub.invalid/bankhub/internal/mockserver"
)

type mockServer struct{ url string }

func TestMain(m *testing.M) {
	url, stop, err := mockserver.Start()
	if err != nil {
		log.Fatal(err)
	}
	os.Setenv("BANKHUB_CLIENT_ID", mockserver.ClientID) // for the examples
	os.Setenv("BANKHUB_CLIENT_SECRET", mockserver.ClientSecret)
	os.Setenv("BANKHUB_BASE_URL", url)
	code := m.Run()
	stop()
	os.Exit(code)
}

// newMockServer starts a mock server that ends with the test, and makes a cache for it.
func newMockServer(t *testing.T, options ...string) (mockServer, *TokenCache) {
	t.Helper()
	url, stop, err := mockserver.Start(options...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	s := mockServer{url}
	tokens, err := New(s.config())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(tokens.Close)
	return s, tokens
}

func (s mockServer) config() Config {
	return Config{ClientID: mockserver.ClientID, ClientSecret: mockserver.ClientSecret, BaseURL: s.url}
}

// post sends a command to the control path of the mock server.
func (s mockServer) post(t *testing.T, path, body string) {
	t.Helper()
	response, err := http.Post(s.url+"/mock"+path, "application/json", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if response.StatusCode != http.StatusNoContent {
		t.Fatalf("POST /mock%s: %s", path, response.Status)
	}
}
