// Gets a token with the credentials of the environment, uses it, recovers from its revocation, and shows that 64
// goroutines cause one token request.
package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"sync"
	"time"

	"bankhub.invalid/bankhub"
)

var client = &http.Client{Timeout: 10 * time.Second}

func main() {
	if err := run(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	cache, err := bankhub.FromEnv()
	if err != nil {
		return err
	}
	defer cache.Close()

	token, err := cache.Token(ctx)
	if err != nil {
		return err
	}
	fmt.Println("token:", masked(token.Value()))
	fmt.Println("expires:", token.ExpiresAt().UTC().Format("2006-01-02 15:04:05 MST"))

	status, err := company(ctx, token.Value())
	if err != nil {
		return err
	}
	fmt.Println("resource:", status)
	if status != http.StatusOK {
		return fmt.Errorf("the API answered %d, expected 200", status)
	}
	if url := os.Getenv("BANKHUB_DEMO_REVOKE_URL"); url != "" {
		if err := recoverFrom401(ctx, cache, url); err != nil {
			return err
		}
	}
	return countRequests(ctx)
}

// recoverFrom401 revokes all tokens and shows how a program recovers from the 401 that follows.
func recoverFrom401(ctx context.Context, cache *bankhub.TokenCache, revokeURL string) error {
	if _, err := send(ctx, http.MethodPost, revokeURL, ""); err != nil {
		return err
	}
	token, err := cache.Get(ctx)
	if err != nil {
		return err
	}
	before, err := company(ctx, token)
	if err != nil {
		return err
	}
	if err := cache.Invalidate(token); err != nil {
		return err
	}
	if token, err = cache.Get(ctx); err != nil {
		return err
	}
	after, err := company(ctx, token)
	if err != nil {
		return err
	}
	fmt.Printf("revoked: %d, then %d\n", before, after)
	if before != http.StatusUnauthorized || after != http.StatusOK {
		return fmt.Errorf("the API answered %d, then %d; expected 401, then 200", before, after)
	}
	return nil
}

// countRequests shows how many token requests 64 goroutines cause.
func countRequests(ctx context.Context) error {
	cache, err := bankhub.FromEnv()
	if err != nil {
		return err
	}
	defer cache.Close()

	failures := make([]error, 64)
	var group sync.WaitGroup
	for i := range failures {
		group.Add(1)
		go func() {
			defer group.Done()
			_, failures[i] = cache.Get(ctx)
		}()
	}
	group.Wait()
	stats, err := cache.Stats()
	if err := errors.Join(append(failures, err)...); err != nil {
		return err
	}
	fmt.Println("threads:", stats.Requests)
	return nil
}

func company(ctx context.Context, token string) (int, error) {
	base := os.Getenv("BANKHUB_BASE_URL")
	if base == "" {
		base = bankhub.SandboxURL
	}
	return send(ctx, http.MethodGet, base+"/v1/company", token)
}

func send(ctx context.Context, method, url, token string) (int, error) {
	request, err := http.NewRequestWithContext(ctx, method, url, nil)
	if err != nil {
		return 0, err
	}
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	response, err := client.Do(request)
	if err != nil {
		return 0, err
	}
	return response.StatusCode, response.Body.Close()
}

func masked(token string) string {
	if len(token) < 16 {
		return "…"
	}
	return token[:4] + "…" + token[len(token)-4:]
}
