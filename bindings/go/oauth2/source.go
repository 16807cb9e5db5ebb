// Package oauth2 makes the token cache an [oauth2.TokenSource], for clients that take one.
//
// Pass the source directly, as in &oauth2.Transport{Source: …}. Do not wrap it: [oauth2.NewClient] and
// [oauth2.ReuseTokenSource] keep a token until it expires, even if the API rejects it. This package does not send a
// request again after a 401. Prefer [bankhub.TokenCache.Transport] where a client takes a RoundTripper.
package oauth2

import (
	"context"

	"bankhub.invalid/bankhub"
	"golang.org/x/oauth2"
)

// TokenSource returns a source that returns a valid token at once. If there is none, it waits until ctx ends or, if ctx
// has no deadline, for at most Config.GetTimeout. Its error is a [*bankhub.Error].
func TokenSource(ctx context.Context, cache *bankhub.TokenCache) oauth2.TokenSource {
	return source{ctx, cache}
}

type source struct {
	ctx   context.Context
	cache *bankhub.TokenCache
}

func (s source) Token() (*oauth2.Token, error) {
	token, err := s.cache.Token(s.ctx)
	if err != nil {
		return nil, err
	}
	return &oauth2.Token{AccessToken: token.Value(), TokenType: "Bearer", Expiry: token.ExpiresAt()}, nil
}
