// Package oauth2 is the token cache as an [oauth2.TokenSource], for clients that take one.
//
// Give it to them as it is, as in &oauth2.Transport{Source: …}. [oauth2.NewClient] and [oauth2.ReuseTokenSource] keep a
// token until it expires, and so go on with one that the API rejects. Nothing here sends a request again after a 401:
// prefer [bankhub.TokenCache.Transport] where a client takes a RoundTripper.
package oauth2

import (
	"context"

	"bankhub.invalid/bankhub"
	"golang.org/x/oauth2"
)

// TokenSource returns a source whose Token costs next to nothing while there is a valid token. It waits for one at most
// until ctx ends or, if ctx has no deadline, for Config.GetTimeout; its error is a [*bankhub.Error].
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
