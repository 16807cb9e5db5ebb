// The settings of a cache. The library checks them.

package bankhub

// #include "bankhub.h"
// #ifdef __linux__
// #include <sys/auxv.h>
// static int elevated(void) { return getauxval(AT_SECURE) != 0; }
// #else
// static int elevated(void) { return 0; }
// #endif
import "C"

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"time"
)

// The base URLs of the Bank Hub. SandboxURL is the default.
const (
	SandboxURL    = C.BANKHUB_SANDBOX_URL
	ProductionURL = C.BANKHUB_PRODUCTION_URL
)

const getTimeoutDefault = 30 * time.Second

// Config has the settings of a [TokenCache]. The first two fields are required. The zero value of any other field means
// its default.
//
// A Config that is printed, logged or written as JSON hides its secrets, unless it is in an unexported field of another
// struct: fmt cannot call its methods there.
type Config struct {
	ClientID     string // required; no ':' and no control characters
	ClientSecret string // required; no control characters

	BaseURL string // "https://host[:port][/path]"; default SandboxURL
	CAFile  string // a PEM file of certificates to trust in addition to the system's
	Proxy   string // "http://[user:password@]host[:port]"; default from HTTPS_PROXY and NO_PROXY
	NoProxy bool   // connect directly, and ignore Proxy and the environment
	Store   string // where processes share the token: "file:/DIR", "redis://…" and more; default: not shared

	ConnectTimeout time.Duration // for connect and TLS handshake; default 5 s
	RequestTimeout time.Duration // for one token request, from start to last byte; default 10 s
	GetTimeout     time.Duration // for a call whose context has no deadline; default 30 s
	RefreshAhead   time.Duration // how long before a token expires it is refreshed, whole seconds; default ttl/10

	AllowHTTP bool // allow plain http to hosts other than loopback; the secret is then sent unencrypted
}

// FromEnv makes a token cache from the environment: BANKHUB_CLIENT_ID and BANKHUB_CLIENT_SECRET, which are required,
// and BANKHUB_BASE_URL, BANKHUB_STORE and BANKHUB_CA_FILE. A variable that is empty counts as not set. On Linux it
// refuses the environment in a setuid program. It returns the same errors as [New].
func FromEnv() (*TokenCache, error) {
	if C.elevated() != 0 {
		return nil, &Error{Status: ErrInvalidArgument, Message: "the environment is not read in a setuid program; use New"}
	}
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

// Format implements [fmt.Formatter]. Every verb prints *** for a field that is or may contain a secret.
func (c Config) Format(f fmt.State, verb rune) {
	fmt.Fprintf(f, fmt.FormatString(f, verb), c.masked())
}

// MarshalJSON implements [json.Marshaler]. It writes *** for a field that is or may contain a secret. To unmarshal a
// Config reads all fields.
func (c Config) MarshalJSON() ([]byte, error) {
	return json.Marshal(c.masked())
}

type maskedConfig Config // has no methods, which would call themselves

func (c Config) masked() maskedConfig {
	for _, secret := range []*string{&c.ClientSecret, &c.Proxy, &c.Store} {
		if *secret != "" {
			*secret = "***"
		}
	}
	return maskedConfig(c)
}

// LogValue implements [slog.LogValuer], for handlers that do not use fmt.
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
