// Tests which values a Config accepts, and which field an error names.

package bankhub

import (
	"errors"
	"strings"
	"testing"
	"time"
)

func TestNamesInvalidArgument(t *testing.T) {
	for _, c := range []struct {
		field  string
		config Config
	}{
		{"client_id", Config{ClientID: "a\x00b", ClientSecret: "p4ssw0rd"}},
		{"client_secret", Config{ClientID: "id", ClientSecret: "p4ssw0rd\x00"}},
		{"base_url", Config{ClientID: "id", ClientSecret: "p4ssw0rd", BaseURL: "\x00"}},
		{"connect_timeout", Config{ClientID: "id", ClientSecret: "p4ssw0rd", ConnectTimeout: -1}},
		{"get_timeout", Config{ClientID: "id", ClientSecret: "p4ssw0rd", GetTimeout: 50 * 24 * time.Hour}},
	} {
		_, err := New(c.config)
		if !errors.Is(err, ErrInvalidArgument) || !strings.HasPrefix(err.Error(), "bankhub: "+c.field+" ") {
			t.Errorf("%s: got %v", c.field, err)
		}
		if err != nil && strings.Contains(err.Error(), "p4ssw0rd") {
			t.Errorf("%s: the message shows the secret", c.field)
		}
	}
	_, tokens := newMockServer(t)
	if err := tokens.Invalidate("a\x00b"); !errors.Is(err, ErrInvalidArgument) {
		t.Errorf("Invalidate: got %v", err)
	}
}

func TestRoundsDurationsUp(t *testing.T) {
	for _, c := range []struct {
		value, unit time.Duration
		want        int
	}{
		{0, time.Millisecond, 0},
		{1, time.Millisecond, 1},
		{time.Millisecond, time.Millisecond, 1},
		{time.Millisecond + 1, time.Millisecond, 2},
		{1500 * time.Millisecond, time.Second, 2},
		{(1<<32 - 1) * time.Millisecond, time.Millisecond, 1<<32 - 1},
		{(1<<32 - 1) * time.Second, time.Second, 1<<32 - 1},
	} {
		var args arguments
		if got := args.duration("field", c.value, c.unit); int(got) != c.want || args.err != nil {
			t.Errorf("%v in %v: got %d, %v; want %d", c.value, c.unit, got, args.err, c.want)
		}
	}
}

func TestNamesMissingVariable(t *testing.T) {
	t.Setenv("BANKHUB_CLIENT_SECRET", "")
	_, err := FromEnv()
	if !errors.Is(err, ErrInvalidArgument) || !strings.Contains(err.Error(), "BANKHUB_CLIENT_SECRET") {
		t.Errorf("got %v", err)
	}
}
