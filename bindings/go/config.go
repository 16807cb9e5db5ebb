// What a user may set. Whether it makes sense is judged by the library.

package bankhub

// #include "bankhub.h"
import "C"

import (
	"fmt"
	"log/slog"
	"os"
	"time"
)

// The Bank Hub's services. SandboxURL is the default.
const (
	SandboxURL    = C.BANKHUB_SANDBOX_URL
	ProductionURL = C.BANKHUB_PRODUCTION_URL
)

const getTimeoutDefault = 30 * time.Second

// Config is what a [TokenCache] is made from. Every field but the first two has a default, which is its zero value.
//
// Printed or logged, a Config hides its secrets, except where it lies in an unexported field of another struct, in
// which fmt cannot see its methods.
type Config struct {
	ClientID     string // required, without ':' and control characters
	ClientSecret string // required, without control characters

	BaseURL string // "https://host[:port][/path]"; default SandboxURL
	CAFile  string // a PEM file whose certificates are trusted besides the system's
	Proxy   string // "http://[user:password@]host[:port]"; default from HTTPS_PROXY and NO_PROXY
	NoProxy bool   // connects directly, whatever Proxy and the environment say
	Store   string // "file:/DIR", "redis://…" or "rediss://…", where processes share the token; default this one alone

	ConnectTimeout time.Duration // for connect and TLS handshake; default 5 s
	RequestTimeout time.Duration // for one token request, from start to last byte; default 10 s
	GetTimeout     time.Duration // for a wait whose context has no deadline; default 30 s
	RefreshAhead   time.Duration // how long before its end a token is renewed, whole seconds; default a tenth of its ttl

	AllowHTTP bool // allows plain http beyond loopback; the secret then crosses the network in clear
}

// FromEnv makes a token cache from BANKHUB_CLIENT_ID and BANKHUB_CLIENT_SECRET and, where they are set,
// BANKHUB_BASE_URL, BANKHUB_STORE and BANKHUB_CA_FILE. It fails as [New] does.
func FromEnv() (*TokenCache, error) {
	for _, name := range []string{"BANKHUB_CLIENT_ID", "BANKHUB_CLIENT_SECRET"} {
		if os.Getenv(name) == "" {
			return nil, &Error{Status: ErrInvalidArgument, Message: name + " is not set in the environment"}
		}
	}
	return New(Config{
		ClientID:     os.Getenv("BANKHUB_CLIENT_ID"),
		ClientSecret: os.Getenv("BANKHUB_CLIENT_SECRET"),
		BaseURL:      os.Getenv("BANKHUB_BASE_URL"),
		Store:        os.Getenv("BANKHUB_STORE"),
		CAFile:       os.Getenv("BANKHUB_CA_FILE"),
	})
}

// Format implements [fmt.Formatter]: all verbs print *** for what is or may hold a secret.
func (c Config) Format(f fmt.State, verb rune) {
	type config Config // without Format, which would call itself
	for _, secret := range []*string{&c.ClientSecret, &c.Proxy, &c.Store} {
		if *secret != "" {
			*secret = "***"
		}
	}
	fmt.Fprintf(f, fmt.FormatString(f, verb), config(c))
}

// LogValue implements [slog.LogValuer] for the handlers that do not go through fmt.
func (c Config) LogValue() slog.Value {
	return slog.StringValue(fmt.Sprintf("%+v", c))
}

func (c Config) native(args *arguments) C.bankhub_config {
	native := C.bankhub_config{
		size:               C.sizeof_bankhub_config,
		client_id:          args.text("client_id", c.ClientID),
		client_secret:      args.text("client_secret", c.ClientSecret),
		base_url:           args.optional("base_url", c.BaseURL),
		ca_file:            args.optional("ca_file", c.CAFile),
		proxy:              args.optional("proxy", c.Proxy),
		store:              args.optional("store", c.Store),
		connect_timeout_ms: args.duration("connect_timeout", c.ConnectTimeout, time.Millisecond),
		request_timeout_ms: args.duration("request_timeout", c.RequestTimeout, time.Millisecond),
		get_timeout_ms:     args.duration("get_timeout", c.GetTimeout, time.Millisecond),
		refresh_ahead_s:    args.duration("refresh_ahead", c.RefreshAhead, time.Second),
	}
	if c.NoProxy {
		native.proxy = args.text("proxy", "")
	}
	if c.AllowHTTP {
		native.flags = C.BANKHUB_ALLOW_HTTP
	}
	return native
}
