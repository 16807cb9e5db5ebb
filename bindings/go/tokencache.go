// Gets the token from the library, and keeps the last one.

//go:build cgo

// Package bankhub keeps one valid SePay Bank Hub access token for a program: it fetches the token, refreshes it before
// it expires, and replaces it when an API answers 401.
//
// libbankhub does the work. This package converts its arguments and results to Go, and decides nothing itself.
package bankhub

import (
	"cmp"
	"context"
	"net/url"
	"runtime"
	"sync/atomic"
	"time"
)

const (
	// contextCheckInterval is how long a call waits inside the library before it checks its context again.
	contextCheckInterval = 100 * time.Millisecond

	// waitersMax limits the calls of one cache that wait inside the library. Each of them holds an operating system
	// thread, and Go ends a program that has 10,000 threads.
	waitersMax = 128
)

// TokenCache keeps one valid token. Make one per client id with [New] or [FromEnv] and share it. Any number of
// goroutines may call its methods at once, Close included.
type TokenCache struct {
	handle     handle
	getTimeout time.Duration
	origin     string                // the only origin that may receive the token
	last       atomic.Pointer[Token] // the last token that the library returned, so that most calls copy nothing
	waiters    chan struct{}
}

// New makes a token cache. It sends no request, but it reads Config.CAFile, the system's trusted roots and the proxy
// variables of the environment.
//
// The error is [ErrInvalidArgument] if a field of config is wrong, and its message names the field. It is [ErrInternal]
// if libbankhub is too old.
func New(config Config) (*TokenCache, error) {
	if config.GetTimeout == 0 {
		config.GetTimeout = getTimeoutDefault
	}
	h, err := newHandle(config)
	if err != nil {
		return nil, err
	}
	base, err := url.Parse(cmp.Or(config.BaseURL, SandboxURL))
	if err != nil {
		h.free()
		const problem = "base_url is not a URL that Go can parse; use https://host[:port][/path]"
		return nil, &Error{Status: ErrInvalidArgument, Message: problem}
	}
	c := &TokenCache{
		handle:     h,
		getTimeout: config.GetTimeout,
		origin:     origin(base),
		waiters:    make(chan struct{}, waitersMax),
	}
	runtime.AddCleanup(c, handle.free, h) // does nothing after Close
	return c, nil
}

// Get returns the text to send after "Authorization: Bearer ".
//
// Get returns a valid token at once, even if ctx has ended, and without an allocation. Otherwise it waits for the one
// token request that serves all callers, until ctx ends or, if ctx has no deadline, for at most Config.GetTimeout. The
// end of the wait does not end the request. If there is a store and the token is due, Get first waits for the token of
// another process, for at most 100 ms. The error is an [*Error] of any kind.
func (c *TokenCache) Get(ctx context.Context) (string, error) {
	token, err := c.Token(ctx)
	return token.Value(), err
}

// Token is Get, but also returns the generation of the token and when it expires.
func (c *TokenCache) Token(ctx context.Context) (Token, error) {
	defer runtime.KeepAlive(c)
	if last := c.last.Load(); last != nil && last.generation == c.handle.generation() {
		return *last, nil
	}
	token, err := c.handle.get(0)
	aboutToBeReplaced := err == nil && c.handle.generation() == 0
	if aboutToBeReplaced || err != nil && err.Status == ErrDeadlineExceeded {
		token, err = c.wait(ctx)
	}
	if err != nil {
		return Token{}, err
	}
	c.last.Store(token)
	return *token, nil
}

// wait waits until the fetch in flight or ctx ends.
func (c *TokenCache) wait(ctx context.Context) (*Token, *Error) {
	if _, limited := ctx.Deadline(); !limited {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, c.getTimeout)
		defer cancel()
	}
	select {
	case c.waiters <- struct{}{}:
		defer func() { <-c.waiters }()
	case <-ctx.Done():
	}
	for {
		ended := ctx.Err()
		token, err := c.handle.get(untilNextCheck(ctx))
		if err == nil || err.Status != ErrDeadlineExceeded {
			return token, err
		}
		if ended != nil {
			err.cause = ended
			return nil, err
		}
	}
}

// untilNextCheck returns how long the library may wait before ctx is checked again; 0 if ctx has ended.
func untilNextCheck(ctx context.Context) time.Duration {
	if ctx.Err() != nil {
		return 0
	}
	deadline, _ := ctx.Deadline()
	return min(max(time.Until(deadline), time.Millisecond), contextCheckInterval)
}

// Generation returns the generation of the token that Get would return at once. It returns 0 if there is none, or if
// another process may be about to replace it. It never blocks.
func (c *TokenCache) Generation() uint64 {
	defer runtime.KeepAlive(c)
	return c.handle.generation()
}

// Invalidate reports that an API answered 401 to token. The cache replaces the token if it is still the current one.
// Any other text changes nothing, so every caller may report the token it used. It never blocks.
//
// The error is [ErrClosed], [ErrInternal], or [ErrInvalidArgument] if token contains a NUL character.
func (c *TokenCache) Invalidate(token string) error {
	defer runtime.KeepAlive(c)
	return c.handle.invalidate(token)
}

// Stats returns the statistics of the cache. It never blocks. The error is [ErrClosed] or [ErrInternal].
func (c *TokenCache) Stats() (Stats, error) {
	defer runtime.KeepAlive(c)
	return c.handle.stats()
}

// Close ends the cache and wipes its token and secret. Calls that wait return [ErrClosed] at once, and so does every
// later call. A second Close does nothing. The garbage collector closes a cache that the program no longer uses.
func (c *TokenCache) Close() {
	defer runtime.KeepAlive(c)
	c.handle.free()
	c.last.Store(nil)
}
