// Tests the transport where it differs from the adapters that the conformance suite tests for every language.

package bankhub

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
)

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(request *http.Request) (*http.Response, error) { return f(request) }

// closeCounter counts how often a body was closed.
type closeCounter struct {
	io.Reader
	closed int
}

func (c *closeCounter) Close() error {
	c.closed++
	return nil
}

func TestTransportKeepsRequestAndError(t *testing.T) {
	s, tokens := newMockServer(t)
	broken := errors.New("broken")
	client := tokens.Transport(roundTripper(func(request *http.Request) (*http.Response, error) {
		request.Header.Set("X-Set-By-Base", "1")
		return nil, broken
	}))
	request, _ := http.NewRequest("POST", s.url+"/v1/company", strings.NewReader("text"))
	if _, err := client.RoundTrip(request); err != broken {
		t.Errorf("got error %v; want that of base", err)
	}
	if len(request.Header) > 0 {
		t.Errorf("the caller's request now has the headers %v", request.Header)
	}
}

func TestTransportClosesUnsentBody(t *testing.T) {
	s, tokens := newMockServer(t)
	tokens.Close()
	body := &closeCounter{Reader: strings.NewReader("text")}
	request, _ := http.NewRequest("POST", s.url+"/v1/company", body)
	if _, err := tokens.HTTPClient().Do(request); !errors.Is(err, ErrClosed) {
		t.Errorf("got %v; want ErrClosed", err)
	}
	if body.closed == 0 {
		t.Error("the body was not closed")
	}
}

func TestTransportSendsBodyAgainAndClosesRejection(t *testing.T) {
	s, tokens := newMockServer(t)
	var sent []string
	rejection := &closeCounter{Reader: strings.NewReader("no")}
	base := roundTripper(func(request *http.Request) (*http.Response, error) {
		text, _ := io.ReadAll(request.Body)
		sent = append(sent, string(text))
		if len(sent) == 1 {
			return &http.Response{StatusCode: http.StatusUnauthorized, Body: rejection}, nil
		}
		return &http.Response{StatusCode: http.StatusOK, Body: http.NoBody}, nil
	})
	request, _ := http.NewRequest("POST", s.url+"/v1/company", bytes.NewReader([]byte("text")))
	response, err := tokens.Transport(base).RoundTrip(request)
	if err != nil || response.StatusCode != http.StatusOK {
		t.Fatalf("got %v, %v; want status 200", response, err)
	}
	if strings.Join(sent, ",") != "text,text" {
		t.Errorf("sent the bodies %q", sent)
	}
	if rejection.closed != 1 {
		t.Errorf("the body of the 401 was closed %d times; want 1", rejection.closed)
	}
}

// newCookieServer answers 401 to the first token, and sets cookies. It reports the cookies of each request.
func newCookieServer(t *testing.T, rejection, success []string) (string, *[]string) {
	var tokens int
	var seen []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/v1/token" {
			tokens++
			w.WriteHeader(http.StatusCreated)
			fmt.Fprintf(w, `{"access_token":"token%d","ttl":60000}`, tokens)
			return
		}
		seen = append(seen, r.Header.Get("Cookie"))
		status, cookies := http.StatusOK, success
		if r.Header.Get("Authorization") == "Bearer token1" {
			status, cookies = http.StatusUnauthorized, rejection
		}
		w.Header()["Set-Cookie"] = cookies
		w.WriteHeader(status)
	}))
	t.Cleanup(server.Close)
	return server.URL, &seen
}

func TestTransportSendsCookiesOfRejectionAlong(t *testing.T) {
	rejection := []string{"route=a; Path=/", "old=; Max-Age=0", "other=x; Path=/v2", "foreign=x; Domain=evil.test"}
	for _, row := range []struct{ name, own, want string }{
		{"without a cookie", "", "route=a"},
		{"with its own cookies", "old=1; route=b; c=2", "c=2; route=a"},
		{"with cookies that net/http cannot parse", `c={"a":1}; d d=2;e="x, y"`, `c={"a":1}; d d=2; e="x, y"; route=a`},
	} {
		url, seen := newCookieServer(t, rejection, []string{"last=z"})
		cache, err := New(Config{ClientID: "id", ClientSecret: "secret", BaseURL: url})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(cache.Close)
		request, _ := http.NewRequest("GET", url+"/v1/company", nil)
		if row.own != "" {
			request.Header.Set("Cookie", row.own)
		}
		response, err := cache.Transport(nil).RoundTrip(request)
		if err != nil || response.StatusCode != http.StatusOK {
			t.Fatalf("%s: got %v, %v", row.name, response, err)
		}
		response.Body.Close()
		if got := strings.Join(*seen, " | "); got != row.own+" | "+row.want {
			t.Errorf("%s: the server saw %q", row.name, got)
		}
		if got := request.Header.Get("Cookie"); got != row.own {
			t.Errorf("%s: the caller's request now has %q", row.name, got)
		}
		if got := response.Header["Set-Cookie"]; !slices.Equal(got, append(rejection, "last=z")) {
			t.Errorf("%s: the caller gets %q", row.name, got)
		}
	}
}

func TestTransportLetsJarStoreCookiesOfRejection(t *testing.T) {
	url, seen := newCookieServer(t, []string{"route=a", "both=1"}, []string{"both=2"})
	cache, err := New(Config{ClientID: "id", ClientSecret: "secret", BaseURL: url})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cache.Close)
	client := cache.HTTPClient()
	client.Jar, _ = cookiejar.New(nil)
	for range 2 {
		response, err := client.Get(url + "/v1/company")
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
	}
	if got := strings.Join(*seen, " | "); got != " | route=a; both=1 | route=a; both=2" {
		t.Errorf("the server saw %q", got)
	}
}

func TestTransportLetsBaseRefuseInvalidRequest(t *testing.T) {
	s, tokens := newMockServer(t)
	company, _ := url.Parse(s.url + "/v1/company")
	for _, request := range []*http.Request{{URL: company}, {Header: http.Header{}}} {
		_, want := http.DefaultTransport.RoundTrip(request)
		if _, err := tokens.Transport(nil).RoundTrip(request); err == nil || err.Error() != want.Error() {
			t.Errorf("got %v; want %v", err, want)
		}
	}
}

// idleCloser counts calls of CloseIdleConnections.
type idleCloser struct {
	http.RoundTripper
	closed int
}

func (i *idleCloser) CloseIdleConnections() { i.closed++ }

func TestTransportClosesIdleConnections(t *testing.T) {
	_, tokens := newMockServer(t)
	var base idleCloser
	(&http.Client{Transport: tokens.Transport(&base)}).CloseIdleConnections()
	if base.closed != 1 {
		t.Errorf("base was called %d times; want 1", base.closed)
	}
}

func TestTransportReportsSecondRejection(t *testing.T) {
	s, tokens := newMockServer(t)
	response, err := tokens.HTTPClient().Get(s.url + "/v1/mock/unauthorized")
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if stats, _ := tokens.Stats(); stats.Rejections != 2 {
		t.Errorf("%d rejections were reported; want 2", stats.Rejections)
	}
}

func TestComparesOrigins(t *testing.T) {
	for _, row := range []struct {
		url  string
		same bool
	}{
		{"https://hub.test/v1/company", true},
		{"https://HUB.test:443", true},
		{"HTTPS://hub.test", true},
		{"http://hub.test", false},
		{"https://hub.test:8443", false},
		{"https://hub.test.evil.test", false},
		{"https://user@hub.test", true},
		{"https://hub.test@evil.test", false},
	} {
		request, err := http.NewRequest("GET", row.url, nil)
		if err != nil {
			t.Fatal(err)
		}
		if same := origin(request.URL) == "https://hub.test:443"; same != row.same {
			t.Errorf("%s: same origin is %t", row.url, same)
		}
	}
}
