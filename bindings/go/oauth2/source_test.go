// The source as clients of oauth2 use it, against the mock server.

package oauth2_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"log"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"

	"bankhub.invalid/bankhub"
	source "bankhub.invalid/bankhub/oauth2"
	"golang.org/x/oauth2"
)

func TestMain(m *testing.M) {
	mockServer := exec.Command("../../../target/release/bankhub-mock-server", "--until-eof")
	stdin, _ := mockServer.StdinPipe()
	stdout, _ := mockServer.StdoutPipe()
	if err := mockServer.Start(); err != nil {
		log.Fatal("the tests need target/release/bankhub-mock-server (make build): ", err)
	}
	url, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		log.Fatal(err)
	}
	os.Setenv("BANKHUB_CLIENT_ID", "mock-id")
	os.Setenv("BANKHUB_CLIENT_SECRET", "mock-secret")
	os.Setenv("BANKHUB_BASE_URL", strings.TrimSpace(url))
	code := m.Run()
	stdin.Close()
	mockServer.Wait()
	os.Exit(code)
}

func Example() {
	cache, err := bankhub.FromEnv()
	if err != nil {
		log.Fatal(err)
	}
	defer cache.Close()
	client := &http.Client{Transport: &oauth2.Transport{Source: source.TokenSource(context.Background(), cache)}}
	response, err := client.Get(os.Getenv("BANKHUB_BASE_URL") + "/v1/company")
	if err != nil {
		log.Fatal(err)
	}
	response.Body.Close()
	fmt.Println(response.Status)
	// Output: 200 OK
}

func TestTokenIsThatOfTheCache(t *testing.T) {
	cache, err := bankhub.FromEnv()
	if err != nil {
		t.Fatal(err)
	}
	defer cache.Close()
	tokens := source.TokenSource(context.Background(), cache)
	for range 2 {
		token, err := tokens.Token()
		if err != nil {
			t.Fatal(err)
		}
		own, _ := cache.Token(context.Background())
		if !token.Valid() || token.AccessToken != own.Value() || !token.Expiry.Equal(own.ExpiresAt()) {
			t.Error("it is another token, or one that is over")
		}
		cache.Invalidate(own.Value())
	}
	cache.Close()
	if _, err := tokens.Token(); !errors.Is(err, bankhub.ErrClosed) {
		t.Errorf("a closed cache: %v", err)
	}
}
