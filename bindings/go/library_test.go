// Tests that a library that is too old is refused, and its file is named.

package bankhub

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// The test runs itself again, with an older library that is loaded before the real one.
func TestRefusesOlderLibrary(t *testing.T) {
	if older := os.Getenv("BANKHUB_TEST_OLDER_LIBRARY"); older != "" {
		_, err := New(Config{ClientID: "id", ClientSecret: "secret"})
		if !errors.Is(err, ErrInternal) || !strings.Contains(err.Error(), older+" has ABI 0.0") {
			t.Errorf("got %v", err)
		}
		return
	}
	older := filepath.Join(t.TempDir(), "libolder.so")
	compiler := exec.Command("cc", "-shared", "-fPIC", "-o", older, "-x", "c", "-")
	compiler.Stdin = strings.NewReader("unsigned bankhub_abi_version(void) { return 0; }")
	if output, err := compiler.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, output)
	}
	again := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$")
	again.Env = append(os.Environ(), "LD_PRELOAD="+older, "BANKHUB_TEST_OLDER_LIBRARY="+older)
	if output, err := again.CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, output)
	}
}
