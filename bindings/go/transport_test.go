// The transport, beside what the conformance suite says of every language's adapter.

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

// closing counts how often a body was closed.
type closing struct {
	io.Reader
	closed int
}

func (c *closing) Close() error {
	c.closed++
	return nil
}

func TestTransportKeepsTheContractOfARoundTripper(t *testing.T) {
	s, tokens := newMockServer(t)
	broken := errors.New("broken")
	client := tokens.Transport(roundTripper(func(request *http.Request) (*http.Response, error) {
		request.Header.Set("X-Of-Base", "1")
		return nil, broken
	}))
	request, _ := http.NewRequest("POST", s.url+"/v1/company", strings.NewReader("text"))
	if _, err := client.RoundTrip(request); err != broken {
		t.Errorf("the error of base became %v", err)
	}
	if len(request.Header) > 0 {
		t.Errorf("the caller's request has %v now", request.Header)
	}
}

func TestTransportClosesTheBodyOfARequestThatItCannotSend(t *testing.T) {
	s, tokens := newMockServer(t)
	tokens.Close()
	body := &closing{Reader: strings.NewReader("text")}
	request, _ := http.NewRequest("POST", s.url+"/v1/company", body)
	if _, err := tokens.HTTPClient().Do(request); !errors.Is(err, ErrClosed) {
		t.Errorf("it failed with %v", err)
	}
	if body.closed == 0 {
		t.Error("the body was left open")
	}
}

func TestTransportReadsEveryBodyOnceAndClosesTheAnswerThatNobodyGets(t *testing.T) {
	s, tokens := newMockServer(t)
	var sent []string
	unwanted := &closing{Reader: strings.NewReader("no")}
	base := roundTripper(func(request *http.Request) (*http.Response, error) {
		text, _ := io.ReadAll(request.Body)
		sent = append(sent, string(text))
		if len(sent) == 1 {
			return &http.Response{StatusCode: http.StatusUnauthorized, Body: unwanted}, nil
		}
		return &http.Response{StatusCode: http.StatusOK, Body: http.NoBody}, nil
	})
	request, _ := http.NewRequest("POST", s.url+"/v1/company", bytes.NewReader([]byte("text")))
	response, err := tokens.Transport(base).RoundTrip(request)
	if err != nil || response.StatusCode != http.StatusOK {
		t.Fatalf("it ended with %v, %v", response, err)
	}
	if strings.Join(sent, ",") != "text,text" {
		t.Errorf("the bodies were %q", sent)
	}
	if unwanted.closed != 1 {
		t.Errorf("the 401 was closed %d times", unwanted.closed)
	}
}

func TestTransportHasItsBaseRefuseWhatIsNoRequest(t *testing.T) {
	s, tokens := newMockServer(t)
	company, _ := url.Parse(s.url + "/v1/company")
	for _, request := range []*http.Request{{URL: company}, {Header: http.Header{}}} {
		_, want := http.DefaultTransport.RoundTrip(request)
		if _, err := tokens.Transport(nil).RoundTrip(request); err == nil || err.Error() != want.Error() {
			t.Errorf("it failed with %v; want %v", err, want)
		}
	}
}

type idle struct {
	http.RoundTripper
	closed int
}

func (i *idle) CloseIdleConnections() { i.closed++ }

func TestTransportHasItsBaseCloseIdleConnections(t *testing.T) {
	_, tokens := newMockServer(t)
	var base idle
	(&http.Client{Transport: tokens.Transport(&base)}).CloseIdleConnections()
	if base.closed != 1 {
		t.Errorf("it was asked %d times", base.closed)
	}
}

func TestTransportReportsTheSecondRejectionToo(t *testing.T) {
	s, tokens := newMockServer(t)
	response, err := tokens.HTTPClient().Get(s.url + "/v1/mock/unauthorized")
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if stats, _ := tokens.Stats(); stats.Rejections != 2 {
		t.Errorf("%d rejections were reported", stats.Rejections)
	}
}

func TestOriginsAreEqualWhateverTheirCaseAndDefaultPort(t *testing.T) {
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
			t.Errorf("%s: %t", row.url, same)
		}
	}
}
