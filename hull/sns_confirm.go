package hull

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
)

var errSubscribeURL error = ErrInvalidNotification.Because("SubscribeURL is not one of Amazon SNS for this topic")

// ConfirmSNS has Amazon SNS send the messages of a topic here from now on, with a GET of
// SubscribeURL. m has passed VerifySNS. It takes up to five seconds, less if ctx ends.
//
// Errors: ErrInvalidSignature when signatures are not verified, since nobody unknown
// shall make us ask anything; ErrInvalidNotification when the URL is not what it should
// be or Amazon refuses; ErrUnavailable.
func (v *Verifier) ConfirmSNS(ctx context.Context, m *SNSMessage) error {
	if !v.cfg.VerifySignatures {
		return invalidSignature("a subscription is confirmed only when signatures are verified")
	}
	if !m.confirms() {
		return errSubscribeURL
	}
	ctx, cancel := context.WithTimeout(ctx, keyTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, m.texts["SubscribeURL"], nil)
	if err != nil {
		return errSubscribeURL
	}
	response, err := v.http.Do(request)
	switch {
	case errors.Is(err, errNotPublic):
		return errSubscribeURL
	case err != nil:
		v.cfg.Log.Warn("a subscription cannot be confirmed", "error", withoutURL(err))
		return ErrUnavailable.Because("Amazon SNS cannot be reached")
	}
	response.Body.Close() // it says nothing that its status does not
	switch status := response.StatusCode; {
	case status == http.StatusOK:
		return nil
	case status >= http.StatusInternalServerError || status == http.StatusTooManyRequests:
		return ErrUnavailable.Because(fmt.Sprintf("Amazon SNS answered with status %d", status))
	default:
		return ErrInvalidNotification.Because(fmt.Sprintf("Amazon SNS answered with status %d", status))
	}
}

// confirms tells whether SubscribeURL does that and nothing else, and for the topic of
// the message (docs/hull-protocol.md 5.2).
func (m *SNSMessage) confirms() bool {
	u, ok := parseSNSURL(m.texts["SubscribeURL"])
	if !ok || u.Path != "/" && u.Path != "" {
		return false
	}
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return false
	}
	for name, want := range map[string]string{
		"Action": "ConfirmSubscription", "TopicArn": m.texts["TopicArn"], "Token": m.texts["Token"],
	} {
		if !slices.Equal(query[name], []string{want}) {
			return false
		}
	}
	return true
}
