// Tests that no way of printing or of writing JSON shows a secret.

package bankhub

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

var verbs = []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%t", "%20v"}

func TestHidesSecretsOfConfig(t *testing.T) {
	config := Config{
		ClientID:     "the-id",
		ClientSecret: "p4ssw0rd",
		Proxy:        "http://u:p4ssw0rd@proxy.test",
		Store:        "redis://:p4ssw0rd@redis.test",
	}
	for _, verb := range verbs {
		for _, value := range []any{config, &config, struct{ Config Config }{config}} {
			if text := fmt.Sprintf(verb, value); strings.Contains(text, "p4ssw0rd") || strings.Contains(text, "70347373773072") {
				t.Errorf("%s: %s", verb, text)
			}
		}
	}
	var log bytes.Buffer
	slog.New(slog.NewJSONHandler(&log, nil)).Info("start", "config", config)
	if strings.Contains(log.String(), "p4ssw0rd") {
		t.Errorf("slog: %s", &log)
	}
	if text := fmt.Sprintf("%+v", config); !strings.Contains(text, "ClientID:the-id ClientSecret:***") {
		t.Errorf("%%+v does not show the other fields: %s", text)
	}
}

func TestHidesSecretsOfConfigInJSON(t *testing.T) {
	config := Config{ClientID: "the-id", ClientSecret: "p4ssw0rd", Proxy: "p4ssw0rd", Store: "p4ssw0rd"}
	for _, value := range []any{config, &config, map[string]any{"config": config}} {
		text, err := json.Marshal(value)
		if err != nil || strings.Contains(string(text), "p4ssw0rd") || !strings.Contains(string(text), "the-id") {
			t.Errorf("got %s, %v", text, err)
		}
	}
	var read Config
	if err := json.Unmarshal([]byte(`{"ClientSecret":"p4ssw0rd"}`), &read); err != nil || read.ClientSecret != "p4ssw0rd" {
		t.Errorf("a Config cannot be read from JSON: %v", err)
	}
}

func TestHidesValueOfToken(t *testing.T) {
	value := "p4ssw0rd"
	token := Token{&value, 7, 1700000000}
	for _, verb := range verbs {
		for _, holder := range []any{token, &token, struct{ token Token }{token}, struct{ token *Token }{&token}} {
			if text := fmt.Sprintf(verb, holder); strings.Contains(text, value) || strings.Contains(text, "70347373773072") {
				t.Errorf("%s: %s", verb, text)
			}
		}
	}
	if text, _ := json.Marshal(token); strings.Contains(string(text), value) {
		t.Errorf("json: %s", text)
	}
	if text, want := fmt.Sprint(token), "{value:*** generation:7 expires_at:2023-11-14T22:13:20Z}"; text != want {
		t.Errorf("got %s; want %s", text, want)
	}
}
