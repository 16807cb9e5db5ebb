// The conformance driver for Go (../../PROTOCOL.md): reads requests, makes the calls, prints the replies.
package main

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"bankhub.invalid/bankhub"
)

var (
	caches    = map[string]*bankhub.TokenCache{}
	started   []chan string
	sentinels = map[string]bankhub.Status{
		"ErrInvalidArgument": bankhub.ErrInvalidArgument, "ErrUnauthenticated": bankhub.ErrUnauthenticated,
		"ErrRateLimited": bankhub.ErrRateLimited, "ErrUnavailable": bankhub.ErrUnavailable,
		"ErrBadResponse": bankhub.ErrBadResponse, "ErrDeadlineExceeded": bankhub.ErrDeadlineExceeded,
		"ErrClosed": bankhub.ErrClosed, "ErrInternal": bankhub.ErrInternal,
	}
)

func main() {
	fmt.Println("ready go")
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		words := strings.Split(lines.Text(), " ")
		for i, word := range words {
			words[i], _ = url.PathUnescape(word)
		}
		fmt.Println(reply(words[0], append(words[1:], "", "", ""))) // a missing word is ""
	}
}

func reply(verb string, words []string) string {
	switch cache := caches[words[0]]; {
	case verb == "layout":
		return layout()
	case verb == "new":
		return create(words[0], words[1:])
	case verb == "from_env":
		return keep(words[0])(bankhub.FromEnv())
	case verb == "join":
		text := result(nil, "count", len(started))
		for ; len(started) > 0; started = started[1:] {
			text += "\n" + <-started[0]
		}
		return text
	case cache == nil:
		return "unknown"
	case verb == "get" || verb == "token":
		return get(cache, verb, words[1])
	case verb == "start":
		for count, _ := strconv.Atoi(words[1]); count > 0; count-- {
			done := make(chan string, 1)
			started = append(started, done)
			go func() { done <- get(cache, "get", words[2]) }()
		}
		return "ok"
	case verb == "generation":
		return result(nil, "generation", cache.Generation())
	case verb == "invalidate":
		return result(cache.Invalidate(words[1]))
	case verb == "stats":
		return stats(cache.Stats())
	case verb == "close":
		cache.Close()
		return "ok"
	}
	return "unknown"
}

func create(name string, settings []string) string {
	var c bankhub.Config
	fields := map[string]any{"client_id": &c.ClientID, "client_secret": &c.ClientSecret, "base_url": &c.BaseURL,
		"ca_file": &c.CAFile, "proxy": &c.Proxy, "store": &c.Store, "connect_timeout_ms": &c.ConnectTimeout,
		"request_timeout_ms": &c.RequestTimeout, "get_timeout_ms": &c.GetTimeout, "refresh_ahead_s": &c.RefreshAhead}
	for _, setting := range settings {
		key, value, _ := strings.Cut(setting, "=")
		switch field := fields[key].(type) {
		case *string:
			*field = value
		case *time.Duration:
			*field, _ = time.ParseDuration(value + key[strings.LastIndex(key, "_")+1:])
		}
		c.AllowHTTP = c.AllowHTTP || setting == "allow_http=1"
		c.NoProxy = c.NoProxy || setting == "proxy="
	}
	return keep(name)(bankhub.New(c))
}

// keep returns a function that keeps a new cache as name.
func keep(name string) func(*bankhub.TokenCache, error) string {
	return func(cache *bankhub.TokenCache, err error) string {
		caches[name] = cache
		return result(err)
	}
}

func get(cache *bankhub.TokenCache, verb, timeout string) string {
	ctx, cancel := context.WithCancel(context.Background())
	if ms, err := strconv.Atoi(timeout); err == nil {
		ctx, cancel = context.WithTimeout(ctx, time.Duration(ms)*time.Millisecond)
	}
	defer cancel()
	if verb == "get" {
		value, err := cache.Get(ctx)
		return result(err, "value", value)
	}
	token, err := cache.Token(ctx)
	return result(err, "value", token.Value(), "generation", token.Generation(), "expires_at", token.ExpiresAt().Unix())
}

func stats(s bankhub.Stats, err error) string {
	at := func(t time.Time) int64 { return max(t.Unix(), 0) } // the zero Time is before 1970
	last := cmp.Or(s.LastError, &bankhub.Error{})
	return result(err, "generation", s.Generation, "expires_at", at(s.ExpiresAt), "refresh_at", at(s.RefreshAt),
		"next_attempt_at", at(s.NextAttemptAt), "last_success_at", at(s.LastSuccessAt),
		"last_failure_at", at(s.LastFailureAt), "requests", s.Requests, "successes", s.Successes,
		"failures", s.Failures, "consecutive_failures", s.ConsecutiveFailures,
		"rejections", s.Rejections, "ignored_rejections", s.IgnoredRejections, "waiters", s.Waiters,
		"fetching", map[bool]int{true: 1}[s.Fetching], "last_error.status", int32(last.Status),
		"last_error.http_status", last.HTTPStatus, "last_error.message", last.Message)
}

// result returns the reply for err or, if it is nil, for pairs of names and values.
func result(err error, pairs ...any) string {
	text := "ok"
	if failure := (*bankhub.Error)(nil); errors.As(err, &failure) {
		text, pairs = "error", []any{"status", int32(failure.Status), "http_status", failure.HTTPStatus,
			"retry_after_ms", failure.RetryAfter.Milliseconds(), "type", kind(err), "message", failure.Message}
	}
	for i := 0; i < len(pairs); i += 2 {
		text += fmt.Sprintf(" %s=%s", pairs[i], url.PathEscape(fmt.Sprint(pairs[i+1])))
	}
	return text
}

func kind(err error) string {
	for name, sentinel := range sentinels {
		if errors.Is(err, sentinel) {
			return name
		}
	}
	return ""
}
