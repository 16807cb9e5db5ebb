// Package mockserver starts bankhub-mock-server for the tests of the Go modules, and of no others.
package mockserver

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
)

// The credentials that a mock server accepts.
const ClientID, ClientSecret = "mock-id", "mock-secret"

// Start starts a mock server on a free port and returns its base URL. stop ends it; so does the end of this process.
func Start(options ...string) (url string, stop func(), err error) {
	_, here, _, _ := runtime.Caller(0)
	program := filepath.Join(filepath.Dir(here), "../../../../target/release/bankhub-mock-server")
	process := exec.Command(program, append(options, "--until-eof")...)
	process.Stderr = os.Stderr
	stdin, _ := process.StdinPipe() // these two fail only where Stdin or Stdout is set
	stdout, _ := process.StdoutPipe()
	if err := process.Start(); err != nil {
		return "", nil, fmt.Errorf("the mock server did not start: %w; run make build", err)
	}
	url, err = bufio.NewReader(stdout).ReadString('\n')
	return strings.TrimSpace(url), func() { stdin.Close(); process.Wait() }, err
}
