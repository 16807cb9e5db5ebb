// Tests the transport where it differs from the adapters that the conformance suite tests for every language.

package bankhub

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/url"
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
