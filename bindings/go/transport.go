// Adds the token of a cache to the requests of net/http.

//go:build cgo

package bankhub

import (
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"slices"
	"strings"
)

// drainMax limits how much is read of a response that is dropped, which makes its connection usable again.
const drainMax = 64 << 10

// HTTPClient returns a client that uses [TokenCache.Transport] with the default base.
func (c *TokenCache) HTTPClient() *http.Client {
	return &http.Client{Transport: c.Transport(nil)}
}

// Transport returns an [http.RoundTripper] that adds the token to requests to the origin of Config.BaseURL, and to no
// others. It sends them with base, or with [http.DefaultTransport] if base is nil. Any number of goroutines may use it
// at once.
//
// When an API answers 401, the transport reports the token with [TokenCache.Invalidate]. It sends the request once more
// if there is another token and GetBody can supply the body again. Otherwise the caller gets the 401; a second 401 is
// also returned to the caller. If there is no token, the request is not sent and the error is an [*Error]. A request
// that has an Authorization header is sent unchanged.
//
// The cookies that a 401 sets go along with the second request, and the response to it has them too, so that the Jar of
// an [http.Client] stores them.
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
	if request.URL == nil || request.Header == nil || // base refuses such a request
		origin(request.URL) != t.cache.origin || len(request.Header["Authorization"]) > 0 {
		return t.base.RoundTrip(request)
	}
	token, err := t.cache.Token(request.Context())
	if err != nil {
		closeBody(request)
		return nil, err
	}
	response, err := t.base.RoundTrip(withToken(request, token))
	if err != nil || response.StatusCode != http.StatusUnauthorized {
		return response, err
	}
	retry := t.retry(request, token)
	if retry == nil {
		return response, nil
	}
	io.CopyN(io.Discard, response.Body, drainMax)
	response.Body.Close()
	cookies := response.Header["Set-Cookie"]
	addCookies(retry, response)
	response, err = t.base.RoundTrip(retry)
	if err != nil {
		return nil, err
	}
	if response.StatusCode == http.StatusUnauthorized {
		t.cache.Invalidate(strings.TrimPrefix(retry.Header.Get("Authorization"), "Bearer "))
	}
	if len(cookies) > 0 && response.Header != nil {
		response.Header["Set-Cookie"] = slices.Concat(cookies, response.Header["Set-Cookie"])
	}
	return response, nil
}

// CloseIdleConnections makes [http.Client.CloseIdleConnections] work.
func (t *transport) CloseIdleConnections() {
	if base, ok := t.base.(interface{ CloseIdleConnections() }); ok {
		base.CloseIdleConnections()
	}
}

// retry reports the rejected token and returns a copy of the request with another token and a new body, or nil if there
// is no other token or no new body.
func (t *transport) retry(request *http.Request, rejected Token) *http.Request {
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
	retry := withToken(request, token)
	if hasBody {
		if retry.Body, err = request.GetBody(); err != nil {
			return nil
		}
	}
	return retry
}

// addCookies adds the cookies that the response sets for the URL of the request. They replace those of the same name. A
// RoundTripper has no jar, and the client's own sees only the response that it gets.
func addCookies(request *http.Request, response *http.Response) {
	set := response.Cookies()
	if len(set) == 0 {
		return
	}
	jar, _ := cookiejar.New(nil) // never fails
	jar.SetCookies(request.URL, set)
	isSet := func(name string) bool {
		return slices.ContainsFunc(set, func(cookie *http.Cookie) bool { return cookie.Name == name })
	}
	var pairs []string
	// As they are: request.Cookies would drop those that net/http cannot parse.
	for _, pair := range strings.Split(strings.Join(request.Header["Cookie"], ";"), ";") {
		name, _, _ := strings.Cut(pair, "=")
		if pair = strings.TrimSpace(pair); pair != "" && !isSet(strings.TrimSpace(name)) {
			pairs = append(pairs, pair)
		}
	}
	for _, cookie := range jar.Cookies(request.URL) {
		pairs = append(pairs, cookie.String())
	}
	request.Header.Del("Cookie")
	if len(pairs) > 0 {
		request.Header.Set("Cookie", strings.Join(pairs, "; "))
	}
}

// withToken returns a copy with the token, because a RoundTripper must not change the caller's request.
func withToken(request *http.Request, token Token) *http.Request {
	copied := request.Clone(request.Context())
	copied.Header.Set("Authorization", "Bearer "+token.Value())
	return copied
}

// closeBody closes the body, as a RoundTripper must even if it fails.
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
