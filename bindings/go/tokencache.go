// Package bankhub keeps one valid SePay Bank Hub access token for a program: it fetches the token, renews it before it
// expires, and replaces it when an API answers 401.
//
// The work is done by libbankhub. This package gives its answers Go's shape and decides nothing itself.
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
	// waitSlice is how long a wait runs inside the library before the context is looked at again.
	waitSlice = 100 * time.Millisecond

	// waitersMax bounds the calls of one cache that wait inside the library. Each of them holds an operating system
	// thread, and Go ends a program that has 10,000 of those.
	waitersMax = 128
)

// TokenCache keeps one valid token. Make one per client id with [New] or [FromEnv] and share it: its methods may be
// called from any number of goroutines at once, Close included.
type TokenCache struct {
	handle     handle
	getTimeout time.Duration
	origin     string                // where the token may go
	last       atomic.Pointer[Token] // what the library handed out last, so that most calls copy nothing
	waiters    chan struct{}
}

// New makes a token cache. It sends no request, but reads Config.CAFile, the system's roots and the proxy environment.
//
// It fails with [ErrInvalidArgument] if a field of config is wrong, which the message names.
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
		return nil, &Error{Status: ErrInvalidArgument, Message: "base_url is not a URL"}
	}
	c := &TokenCache{
		handle:     h,
		getTimeout: config.GetTimeout,
		origin:     origin(base),
		waiters:    make(chan struct{}, waitersMax),
	}
	runtime.AddCleanup(c, handle.free, h) // of a handle that was closed already, free does nothing
	return c, nil
}

// Get returns the text that belongs after "Authorization: Bearer ".
//
// A valid token is returned at once, whatever the state of ctx, without an allocation. Otherwise Get waits for the one
// token request that serves all callers, until ctx ends or, if ctx has no deadline, for Config.GetTimeout. Ending the
// wait does not end the request. The error is an [*Error] of any kind.
func (c *TokenCache) Get(ctx context.Context) (string, error) {
	token, err := c.Token(ctx)
	return token.Value(), err
}

// Token is Get, with the token's generation and end.
func (c *TokenCache) Token(ctx context.Context) (Token, error) {
	defer runtime.KeepAlive(c)
	if last := c.last.Load(); last != nil && last.generation == c.handle.generation() {
		return *last, nil
	}
	token, err := c.handle.get(0)
	if err != nil && err.Status == ErrDeadlineExceeded {
		token, err = c.wait(ctx)
	}
	if err != nil {
		return Token{}, err
	}
	c.last.Store(token)
	return *token, nil
}

// wait waits for the fetch under way until it or ctx has ended.
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
		token, err := c.handle.get(slice(ctx))
		if err == nil || err.Status != ErrDeadlineExceeded {
			return token, err
		}
		if ended != nil {
			err.cause = ended
			return nil, err
		}
	}
}

// slice returns how long the library may wait before ctx is looked at again; nothing once ctx has ended.
func slice(ctx context.Context) time.Duration {
	if ctx.Err() != nil {
		return 0
	}
	deadline, _ := ctx.Deadline()
	return min(max(time.Until(deadline), time.Millisecond), waitSlice)
}

// Generation returns the number of the token that Get would return at once, or 0 if there is none. It never blocks.
func (c *TokenCache) Generation() uint64 {
	defer runtime.KeepAlive(c)
	return c.handle.generation()
}

// Invalidate reports that an API answered 401 to token, which is then replaced if it still is the current one. Any
// other text changes nothing, so every caller may report what it saw. It never blocks.
//
// It fails with [ErrClosed], or with [ErrInvalidArgument] if token holds a NUL byte.
func (c *TokenCache) Invalidate(token string) error {
	defer runtime.KeepAlive(c)
	return c.handle.invalidate(token)
}

// Stats returns what the cache has done and is doing. It never blocks. It fails with [ErrClosed].
func (c *TokenCache) Stats() (Stats, error) {
	defer runtime.KeepAlive(c)
	return c.handle.stats()
}

// Close ends the cache and wipes its token and secret: calls that wait return [ErrClosed] at once, later ones too.
// A second Close does nothing. A cache that is forgotten is closed when the garbage collector finds it.
func (c *TokenCache) Close() {
	defer runtime.KeepAlive(c)
	c.handle.free()
	c.last.Store(nil)
}
