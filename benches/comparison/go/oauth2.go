// A token from golang.org/x/oauth2: the Bank Hub says ttl where OAuth 2.0 says expires_in.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"
)

func getFromOAuth2() func() error {
	config := clientcredentials.Config{
		ClientID:     os.Getenv("BANKHUB_CLIENT_ID"),
		ClientSecret: os.Getenv("BANKHUB_CLIENT_SECRET"),
		TokenURL:     os.Getenv("BANKHUB_BASE_URL") + "/v1/token",
	}
	client := &http.Client{Transport: expiresIn{}}
	tokens := config.TokenSource(context.WithValue(context.Background(), oauth2.HTTPClient, client))
	return func() error {
		_, err := tokens.Token()
		return err
	}
}

// expiresIn is http.DefaultTransport, and names the ttl of an answer as oauth2 expects it.
type expiresIn struct{}

func (expiresIn) RoundTrip(request *http.Request) (*http.Response, error) {
	response, err := http.DefaultTransport.RoundTrip(request)
	if err != nil || response.StatusCode != http.StatusCreated {
		return response, err
	}
	defer response.Body.Close()
	var answer map[string]any
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
		return nil, err
	}
	answer["expires_in"] = answer["ttl"]
	body, err := json.Marshal(answer)
	response.Body, response.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	return response, err
}
