// Starts bankhub-mock-server, the stand-in for the Bank Hub API, and tells it how to behave.

package bankhub

import (
	"bufio"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"
)

type mockServer struct{ url string }

func TestMain(m *testing.M) {
	s, stop, err := startMockServer()
	if err != nil {
		fmt.Fprintln(os.Stderr, "the tests need ../../target/release/bankhub-mock-server (make build):", err)
		os.Exit(1)
	}
	os.Setenv("BANKHUB_CLIENT_ID", "mock-id") // for the examples
	os.Setenv("BANKHUB_CLIENT_SECRET", "mock-secret")
	os.Setenv("BANKHUB_BASE_URL", s.url)
	code := m.Run()
	stop()
	os.Exit(code)
}

// newMockServer starts a mock server that ends with the test, and makes a cache for it.
func newMockServer(t *testing.T, options ...string) (mockServer, *TokenCache) {
	t.Helper()
	s, stop, err := startMockServer(options...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	tokens, err := New(s.config())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(tokens.Close)
	return s, tokens
}

func startMockServer(options ...string) (s mockServer, stop func(), err error) {
	process := exec.Command("../../target/release/bankhub-mock-server", append(options, "--until-eof")...)
	process.Stderr = os.Stderr
	stdin, err := process.StdinPipe()
	if err != nil {
		return s, nil, err
	}
	stdout, err := process.StdoutPipe()
	if err != nil {
		return s, nil, err
	}
	if err := process.Start(); err != nil {
		return s, nil, err
	}
	url, err := bufio.NewReader(stdout).ReadString('\n')
	return mockServer{strings.TrimSpace(url)}, func() { stdin.Close(); process.Wait() }, err
}

func (s mockServer) config() Config {
	return Config{ClientID: "mock-id", ClientSecret: "mock-secret", BaseURL: s.url}
}

// post tells the mock server what to do from now on.
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
