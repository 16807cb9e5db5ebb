// The examples of the documentation and of the README.

package bankhub_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/http"
	"os"
	"time"

	"bankhub.invalid/bankhub"
)

// One cache and one client serve the whole program.
func Example() {
	cache, err := bankhub.FromEnv() // BANKHUB_CLIENT_ID, BANKHUB_CLIENT_SECRET, BANKHUB_BASE_URL
	if err != nil {
		log.Fatal(err) // a setting is wrong, and the message names it
	}
	defer cache.Close()

	response, err := cache.HTTPClient().Get(os.Getenv("BANKHUB_BASE_URL") + "/v1/company")
	switch {
	case errors.Is(err, bankhub.ErrUnauthenticated):
		log.Fatal("correct the client id and secret: ", err)
	case err != nil:
		log.Fatal("try again later: ", err) // such as ErrUnavailable, ErrRateLimited, ErrDeadlineExceeded
	}
	defer response.Body.Close()
	fmt.Println(response.Status)
	// Output: 200 OK
}

// With another client, report a 401 yourself.
func ExampleTokenCache_Invalidate() {
	cache, err := bankhub.FromEnv()
	if err != nil {
		log.Fatal(err)
	}
	defer cache.Close()

	request, err := http.NewRequest("GET", os.Getenv("BANKHUB_BASE_URL")+"/v1/company", nil)
	if err != nil {
		log.Fatal(err)
	}
	for range 2 {
		token, err := cache.Get(context.Background())
		if err != nil {
			log.Fatal(err)
		}
		request.Header.Set("Authorization", "Bearer "+token)
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			log.Fatal(err)
		}
		response.Body.Close()
		fmt.Println(response.Status)
		if response.StatusCode != http.StatusUnauthorized {
			break
		}
		cache.Invalidate(token) // the next Get returns another token
	}
	// Output: 200 OK
}

// A transport wraps another one, and any client can use it.
func ExampleTokenCache_Transport() {
	cache, err := bankhub.FromEnv()
	if err != nil {
		log.Fatal(err)
	}
	defer cache.Close()

	client := &http.Client{
		Transport: cache.Transport(&http.Transport{MaxConnsPerHost: 8}),
		Timeout:   10 * time.Second,
	}
	response, err := client.Get(os.Getenv("BANKHUB_BASE_URL") + "/v1/company")
	if err != nil {
		log.Fatal(err)
	}
	response.Body.Close()
	fmt.Println(response.Status)
	// Output: 200 OK
}

func ExampleError() {
	cache, err := bankhub.New(bankhub.Config{
		ClientID:     "mock-id",
		ClientSecret: "wrong",
		BaseURL:      os.Getenv("BANKHUB_BASE_URL"),
	})
	if err != nil {
		log.Fatal(err)
	}
	defer cache.Close()

	_, err = cache.Get(context.Background())
	var failure *bankhub.Error
	switch {
	case errors.Is(err, bankhub.ErrUnauthenticated):
		fmt.Println("correct the client id and secret")
	case errors.As(err, &failure) && failure.RetryAfter > 0:
		fmt.Println("try again in", failure.RetryAfter)
	}
	// Output: correct the client id and secret
}
