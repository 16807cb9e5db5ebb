// Tests that the code in the README is code that runs as an example.

package bankhub

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

func TestReadmeMatchesExamples(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	examples, err := os.ReadFile("example_test.go")
	if err != nil {
		t.Fatal(err)
	}
	blocks := regexp.MustCompile("(?s)```go\n(.*?)```").FindAllStringSubmatch(string(readme), -1)
	if len(blocks) == 0 {
		t.Fatal("README.md has no Go code")
	}
	indent := regexp.MustCompile("(?m)^\t+")
	for _, block := range blocks {
		if !strings.Contains(indent.ReplaceAllString(string(examples), ""), indent.ReplaceAllString(block[1], "")) {
			t.Errorf("not in example_test.go:\n%s", block[1])
		}
	}
}
