// Starts bankhub-sandbox, the stand-in for the Bank Hub API, and tells it how to behave.

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

type sandbox struct{ url string }

func TestMain(m *testing.M) {
	s, stop, err := startSandbox()
	if err != nil {
		fmt.Fprintln(os.Stderr, "the tests need ../../target/release/bankhub-sandbox (make build):", err)
		os.Exit(1)
	}
	os.Setenv("BANKHUB_CLIENT_ID", "sandbox-id") // for the examples
	os.Setenv("BANKHUB_CLIENT_SECRET", "sandbox-secret")
	os.Setenv("BANKHUB_BASE_URL", s.url)
	code := m.Run()
	stop()
	os.Exit(code)
}

// newSandbox starts a sandbox that ends with the test, and makes a cache for it.
func newSandbox(t *testing.T, options ...string) (sandbox, *TokenCache) {
	t.Helper()
	s, stop, err := startSandbox(options...)
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

func startSandbox(options ...string) (s sandbox, stop func(), err error) {
	process := exec.Command("../../target/release/bankhub-sandbox", append(options, "--until-eof")...)
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
	return sandbox{strings.TrimSpace(url)}, func() { stdin.Close(); process.Wait() }, err
}

func (s sandbox) config() Config {
	return Config{ClientID: "sandbox-id", ClientSecret: "sandbox-secret", BaseURL: s.url}
}

// post tells the sandbox what to do from now on.
func (s sandbox) post(t *testing.T, path, body string) {
	t.Helper()
	response, err := http.Post(s.url+"/sandbox"+path, "application/json", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if response.StatusCode != http.StatusNoContent {
		t.Fatalf("POST /sandbox%s: %s", path, response.Status)
	}
}
