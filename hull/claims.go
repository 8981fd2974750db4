package hull

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// claimsDepth bounds how deep claims may nest. What we read of them is two
// levels deep; the rest is for unknown members, which are ignored.
const claimsDepth = 16

// Claims are the identifiers by which a page, or the back end of its site, says
// who the visitor is. An empty field claims nothing. Claims alone prove nothing:
// see Prove.
type Claims struct {
	ID           string
	ExternalID   string
	Email        string // trimmed and lower-cased
	AnonymousIDs []string

	// EmailText is the email as it was written, when that differs: a site may
	// have made its user_hash of it.
	EmailText string
}

// ClaimLimits bound what is accepted as claims. A zero field is its default.
type ClaimLimits struct {
	// Length is the most bytes of one value. Default 256.
	Length int

	// AnonymousIDs is the most anonymous ids that differ. Default 10.
	AnonymousIDs int
}

// DefaultClaimLimits returns the limits that apply where nothing else is said.
func DefaultClaimLimits() ClaimLimits {
	return ClaimLimits{Length: 256, AnonymousIDs: 10}
}

func (l ClaimLimits) orDefault() ClaimLimits {
	d := DefaultClaimLimits()
	return ClaimLimits{cmp.Or(l.Length, d.Length), cmp.Or(l.AnonymousIDs, d.AnonymousIDs)}
}

// ClaimsError says what is wrong with claims and where, never their value.
type ClaimsError struct {
	Pointer string // RFC 6901, e.g. /claims/anonymous_id/3
	Detail  string // e.g. "must be a string"
}

func (e *ClaimsError) Error() string { return e.Pointer + " " + e.Detail }

// ParseClaims reads a JSON object of id, external_id, email and anonymous_id, of
// which the last is a string or a list of strings. Members that are empty or null
// count as absent, and so does an empty or null raw; other members are ignored;
// names are matched exactly. Every error is a *ClaimsError.
func ParseClaims(raw []byte, limits ClaimLimits) (Claims, error) {
	limits = limits.orDefault()
	var members map[string]json.RawMessage
	switch {
	case len(raw) == 0:
		return Claims{}, nil
	case checkJSON(raw, claimsDepth) != nil:
		return Claims{}, &ClaimsError{"/claims", fmt.Sprintf("must be JSON of at most %d levels", claimsDepth)}
	case json.Unmarshal(raw, &members) != nil:
		return Claims{}, &ClaimsError{"/claims", "must be an object"}
	}
	var claims Claims
	for _, kind := range Kinds {
		values, err := claimValues(kind, members[string(kind)], limits)
		if err != nil {
			return Claims{}, err
		}
		for _, value := range values {
			claims.add(kind, value)
		}
	}
	if text, _ := text(bytes.TrimSpace(members[string(KindEmail)])); claims.Email != "" && string(text) != claims.Email {
		claims.EmailText = string(text)
	}
	if len(claims.AnonymousIDs) > limits.AnonymousIDs {
		return Claims{}, &ClaimsError{"/claims/anonymous_id", fmt.Sprintf("has more than %d values", limits.AnonymousIDs)}
	}
	return claims, nil
}

// claimValues reads the member of a kind, which may be absent.
func claimValues(kind Kind, raw json.RawMessage, limits ClaimLimits) ([]string, error) {
	pointer := "/claims/" + string(kind)
	if kind != KindAnonymousID || !bytes.HasPrefix(raw, []byte("[")) {
		value, err := claimValue(kind, raw, pointer, limits)
		return []string{value}, err
	}
	var list []json.RawMessage
	if err := json.Unmarshal(raw, &list); err != nil {
		return nil, &ClaimsError{pointer, "must be a string or a list of strings"}
	}
	values := make([]string, len(list))
	for i, item := range list {
		var err error
		if values[i], err = claimValue(kind, item, pointer+"/"+strconv.Itoa(i), limits); err != nil {
			return nil, err
		}
	}
	return values, nil
}

// claimValue reads one identifier, "" if there is none.
func claimValue(kind Kind, raw json.RawMessage, pointer string, limits ClaimLimits) (string, error) {
	if len(raw) == 0 {
		return "", nil
	}
	var text *string
	if err := json.Unmarshal(raw, &text); err != nil {
		return "", &ClaimsError{pointer, "must be a string"}
	}
	if text == nil {
		return "", nil
	}
	// encoding/json has put U+FFFD for what is not UTF-8, and for halves of surrogates.
	if strings.ContainsRune(*text, utf8.RuneError) {
		return "", &ClaimsError{pointer, "is not valid UTF-8"}
	}
	topic, err := NewTopic(kind, *text)
	if err != nil {
		return "", nil // nothing in it, or nothing but space around an email
	}
	value := topic.Value()
	switch {
	case strings.ContainsFunc(value, unicode.IsControl):
		return "", &ClaimsError{pointer, "has control characters"}
	case len(value) > limits.Length:
		return "", &ClaimsError{pointer, fmt.Sprintf("is longer than %d bytes", limits.Length)}
	}
	return value, nil
}

// ClaimsOf returns the claims that topics stand for, the way back of Topics. Of
// two topics of a kind that can be claimed once, the first counts.
func ClaimsOf(topics []Topic) Claims {
	var claims Claims
	for _, topic := range topics {
		claims.add(topic.Kind(), topic.Value())
	}
	return claims
}

// add claims a value, unless it is empty or the kind is claimed already.
func (c *Claims) add(kind Kind, value string) {
	switch kind {
	case KindID:
		c.ID = cmp.Or(c.ID, value)
	case KindExternalID:
		c.ExternalID = cmp.Or(c.ExternalID, value)
	case KindEmail:
		c.Email = cmp.Or(c.Email, value)
	case KindAnonymousID:
		if value != "" && !slices.Contains(c.AnonymousIDs, value) {
			c.AnonymousIDs = append(c.AnonymousIDs, value)
		}
	}
}

// Topics returns a topic for each claim: id, external_id, email, then the
// anonymous ids in their order.
func (c Claims) Topics() []Topic {
	var topics []Topic
	add := func(kind Kind, value string) {
		if topic, err := NewTopic(kind, value); err == nil {
			topics = append(topics, topic)
		}
	}
	add(KindID, c.ID)
	add(KindExternalID, c.ExternalID)
	add(KindEmail, c.Email)
	for _, id := range c.AnonymousIDs {
		add(KindAnonymousID, id)
	}
	return topics
}

// Empty reports whether nothing is claimed.
func (c Claims) Empty() bool {
	return c.ID == "" && c.ExternalID == "" && c.Email == "" && len(c.AnonymousIDs) == 0
}

// MarshalJSON writes what ParseClaims reads, without the claims that are absent.
// One anonymous id is a string, several are a list.
func (c Claims) MarshalJSON() ([]byte, error) {
	var anonymous any
	switch len(c.AnonymousIDs) {
	case 0:
	case 1:
		anonymous = c.AnonymousIDs[0]
	default:
		anonymous = c.AnonymousIDs
	}
	return json.Marshal(struct {
		ID          string `json:"id,omitempty"`
		ExternalID  string `json:"external_id,omitempty"`
		Email       string `json:"email,omitempty"`
		AnonymousID any    `json:"anonymous_id,omitempty"`
	}{c.ID, c.ExternalID, c.Email, anonymous})
}
