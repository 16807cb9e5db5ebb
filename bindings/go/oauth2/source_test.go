// Tests the source as clients of oauth2 use it, with the mock server.

package oauth2_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/http"
	"os"
	"testing"

	"bankhub.invalid/bankhub"
	"bankhub.invalid/bankhub/internal/mockserver"
	source "bankhub.invalid/bankhub/oauth2"
	"golang.org/x/oauth2"
)

func TestMain(m *testing.M) {
	url, stop, err := mockserver.Start()
	if err != nil {
		log.Fatal(err)
	}
	os.Setenv("BANKHUB_CLIENT_ID", mockserver.ClientID)
	os.Setenv("BANKHUB_CLIENT_SECRET", mockserver.ClientSecret)
	os.Setenv("BANKHUB_BASE_URL", url)
	code := m.Run()
	stop()
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

func TestReturnsTokenOfCache(t *testing.T) {
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
			t.Error("the source returned another token, or an expired one")
		}
		cache.Invalidate(own.Value())
	}
	cache.Close()
	if _, err := tokens.Token(); !errors.Is(err, bankhub.ErrClosed) {
		t.Errorf("got %v; want ErrClosed", err)
	}
}
