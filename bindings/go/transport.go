// Authenticates net/http with a token cache.

package bankhub

import (
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
)

// drainMax bounds what is read of an answer that is not wanted, so that its connection can be used again.
const drainMax = 64 << 10

// HTTPClient returns a client on [TokenCache.Transport] with its defaults.
func (c *TokenCache) HTTPClient() *http.Client {
	return &http.Client{Transport: c.Transport(nil)}
}

// Transport returns an [http.RoundTripper] that adds the token to requests that go to the origin of Config.BaseURL,
// and to no others; a nil base is [http.DefaultTransport]. It serves any number of goroutines at once.
//
// A request that is answered 401 is sent once more if there is another token and the body, if any, can be had again
// from GetBody. Otherwise, and the second time, the 401 is the caller's. A request for which there is no token fails
// with an [*Error]. One with an Authorization header of its own is left alone.
func (c *TokenCache) Transport(base http.RoundTripper) http.RoundTripper {
	if base == nil {
		base = http.DefaultTransport
	}
	return &transport{c, base}
}

type transport struct {
	cache *TokenCache
	base  http.RoundTripper
}

func (t *transport) RoundTrip(request *http.Request) (*http.Response, error) {
	if request.URL == nil || request.Header == nil || // base's to refuse
		origin(request.URL) != t.cache.origin || len(request.Header["Authorization"]) > 0 {
		return t.base.RoundTrip(request)
	}
	token, err := t.cache.Token(request.Context())
	if err != nil {
		closeBody(request)
		return nil, err
	}
	response, err := t.base.RoundTrip(signed(request, token))
	if err != nil || response.StatusCode != http.StatusUnauthorized {
		return response, err
	}
	again := t.again(request, token)
	if again == nil {
		return response, nil
	}
	io.CopyN(io.Discard, response.Body, drainMax)
	response.Body.Close()
	response, err = t.base.RoundTrip(again)
	if err == nil && response.StatusCode == http.StatusUnauthorized {
		t.cache.Invalidate(strings.TrimPrefix(again.Header.Get("Authorization"), "Bearer "))
	}
	return response, err
}

// CloseIdleConnections is for [http.Client.CloseIdleConnections].
func (t *transport) CloseIdleConnections() {
	if base, ok := t.base.(interface{ CloseIdleConnections() }); ok {
		base.CloseIdleConnections()
	}
}

// again reports the token as rejected, and returns the request with another one and its body anew; nil if either
// cannot be had.
func (t *transport) again(request *http.Request, rejected Token) *http.Request {
	if t.cache.Invalidate(rejected.Value()) != nil {
		return nil
	}
	hasBody := request.Body != nil && request.Body != http.NoBody
	if hasBody && request.GetBody == nil {
		return nil
	}
	token, err := t.cache.Token(request.Context())
	if err != nil || token.Generation() == rejected.Generation() {
		return nil
	}
	again := signed(request, token)
	if hasBody {
		if again.Body, err = request.GetBody(); err != nil {
			return nil
		}
	}
	return again
}

// signed returns a copy: a RoundTripper must not change the caller's request.
func signed(request *http.Request, token Token) *http.Request {
	copied := request.Clone(request.Context())
	copied.Header.Set("Authorization", "Bearer "+token.Value())
	return copied
}

// closeBody does what a RoundTripper owes its caller, of whatever it made of the request.
func closeBody(request *http.Request) {
	if request.Body != nil {
		request.Body.Close()
	}
}

// origin returns scheme, host and port (RFC 6454).
func origin(u *url.URL) string {
	scheme, port := strings.ToLower(u.Scheme), u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[scheme]
	}
	return scheme + "://" + net.JoinHostPort(strings.ToLower(u.Hostname()), port)
}
