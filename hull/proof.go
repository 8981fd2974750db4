package hull

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// What counts as proof: the values of Policy.Verification.
const (
	VerifyPossession = "possession" // anonymous ids count as they are, the others when signed
	VerifySigned     = "signed"     // nothing counts unless signed
	VerifyOff        = "off"        // every claim counts
)

// PossessionLength is how many characters an anonymous id needs before knowing
// it says that the visitor's browser told it: shorter ones can be guessed.
const PossessionLength = 16

// Doubt is why a topic does not count without a signature; "": it does.
type Doubt string

// The doubts there are.
const (
	DoubtUnsigned Doubt = "unsigned" // nothing counts without one
	DoubtKind     Doubt = "kind"     // only anonymous ids do
	DoubtShaped   Doubt = "shaped"   // the anonymous id is shaped like an identifier of another kind
	DoubtShort    Doubt = "short"    // the anonymous id can be guessed
	DoubtService  Doubt = "service"  // it is of a service whose ids can be counted through
)

// What Prove refuses.
var (
	ErrNoClaims      = errors.New("nothing is claimed")
	ErrUnproven      = errors.New("no claim is proven")
	ErrIdentityToken = errors.New("identity token or user_hash does not verify")
)

// Policy says which claims count for a connector.
type Policy struct {
	// Verification is VerifyPossession, VerifySigned or VerifyOff. Anything
	// else is taken for VerifySigned, which admits least.
	Verification string

	// Secrets sign identity tokens and user hashes: one, or two while they are
	// rotated. Empty ones are ignored. With none nothing can be signed.
	Secrets []string

	// PossessionServices are the prefixes `service:` with which an anonymous id
	// still counts under VerifyPossession. The ids of other services can be
	// counted through.
	PossessionServices []string

	// Connector is the id that an identity token's aud must contain, if it has
	// one.
	Connector string

	// Limits bound the claims of an identity token as those of a page.
	Limits ClaimLimits
}

// Proof says which claims count.
type Proof struct {
	Topics   []Topic  // those that count, best first
	Signed   []bool   // whether the topic of the same index is signed
	Unproven []string // claimed without any value that counts: id, external_id, email, anonymous_id

	// Shaped is how many anonymous ids do not count because of DoubtShaped.
	Shaped int
}

// Prove decides which of a page's claims count.
//
// identityToken, if any, is a JWT (HS256) whose claims under their own names take
// the place of the page's. userHash, if any, is Intercom's: the hex HMAC-SHA256 of
// the page's external_id, else of its email, and proves only that one.
//
// ErrIdentityToken: one of them is there and does not verify, whatever the policy;
// the page is told instead of being served as somebody less. ErrNoClaims: nothing
// is claimed. ErrUnproven: something is, but none of it counts; then the Proof says what.
func Prove(claims Claims, identityToken, userHash string, policy Policy, now time.Time) (Proof, error) {
	var signed []Topic
	if userHash != "" {
		topic, err := policy.hashed(claims, userHash)
		if err != nil {
			return Proof{}, err
		}
		signed = append(signed, topic)
	}
	if identityToken != "" {
		said, err := policy.identity(identityToken, now)
		if err != nil {
			return Proof{}, err
		}
		claims = claims.replacedBy(said)
		signed = append(signed, said.Topics()...)
	}
	return policy.prove(claims, signed)
}

func (p Policy) prove(claims Claims, signed []Topic) (Proof, error) {
	if claims.Empty() {
		return Proof{}, ErrNoClaims
	}
	var proof Proof
	proven := make(map[Kind]bool)
	for _, topic := range claims.Topics() {
		isSigned := slices.Contains(signed, topic)
		if isSigned || p.trusts(topic) {
			proof.Topics = append(proof.Topics, topic)
			proof.Signed = append(proof.Signed, isSigned)
			proven[topic.Kind()] = true
		} else if p.Doubt(topic) == DoubtShaped {
			proof.Shaped++
		}
	}
	for _, topic := range claims.Topics() {
		name := string(topic.Kind())
		if !proven[topic.Kind()] && !slices.Contains(proof.Unproven, name) {
			proof.Unproven = append(proof.Unproven, name)
		}
	}
	if len(proof.Topics) == 0 {
		return proof, ErrUnproven
	}
	return proof, nil
}

// Without returns p as if the topics of which drop is true did not count. ErrUnproven:
// then none does.
func (p Proof) Without(drop func(topic Topic, signed bool) bool) (Proof, error) {
	left := Proof{Shaped: p.Shaped, Unproven: slices.Clone(p.Unproven)}
	for i, topic := range p.Topics {
		if !drop(topic, p.Signed[i]) {
			left.Topics, left.Signed = append(left.Topics, topic), append(left.Signed, p.Signed[i])
		}
	}
	for _, topic := range p.Topics {
		name, of := string(topic.Kind()), func(t Topic) bool { return t.Kind() == topic.Kind() }
		if !slices.ContainsFunc(left.Topics, of) && !slices.Contains(left.Unproven, name) {
			left.Unproven = append(left.Unproven, name)
		}
	}
	if len(left.Topics) == 0 {
		return left, ErrUnproven
	}
	return left, nil
}

// Vouched returns the claims with which Hull may be told what a visitor did: of those
// that Prove has let count the signed ones, and when there are none the first
// anonymous id that counts by possession.
//
// It believes less than Prove. Hull joins the claims that it is told together, and
// for good; so VerifyOff is taken for VerifyPossession here, since else a stranger
// could have anybody joined with anybody. Nor is an anonymous id sent beside a signed
// claim unless it is signed too: whoever has learnt the id would else be joined with
// its user, or two who share a browser with each other.
func (p Policy) Vouched(proof Proof) Claims {
	if p.Verification == VerifyOff {
		p.Verification = VerifyPossession
	}
	var sure, possessed []Topic
	for i, topic := range proof.Topics {
		if proof.Signed[i] {
			sure = append(sure, topic)
		} else if p.trusts(topic) {
			possessed = append(possessed, topic)
		}
	}
	if len(sure) > 0 {
		return ClaimsOf(sure)
	}
	return ClaimsOf(possessed[:min(1, len(possessed))])
}

// Counts reports whether a topic counts that was proven before: signed, or not, under a
// policy that may have been another.
func (p Policy) Counts(topic Topic, signed bool) bool { return signed || p.trusts(topic) }

// trusts reports whether a topic counts without a signature.
func (p Policy) trusts(topic Topic) bool { return p.Doubt(topic) == "" }

// Doubt says why a topic does not count without a signature. Under VerifyPossession it
// does if only the visitor's browser and the platform can know it.
func (p Policy) Doubt(topic Topic) Doubt {
	service, _, prefixed := strings.Cut(topic.Value(), ":")
	switch {
	case p.Verification == VerifyOff:
		return ""
	case p.Verification != VerifyPossession:
		return DoubtUnsigned
	case topic.Kind() != KindAnonymousID:
		return DoubtKind
	case isShaped(topic.Value()):
		return DoubtShaped
	case utf8.RuneCountInString(topic.Value()) < PossessionLength:
		return DoubtShort
	case prefixed && !slices.Contains(p.PossessionServices, service):
		return DoubtService
	}
	return ""
}

// isShaped tells whether an anonymous id is shaped like an identifier of another kind: an
// email, or any text behind the name of a kind. A site that makes its anonymous ids of
// those has them known to others than the browser.
func isShaped(value string) bool {
	prefix, _, prefixed := strings.Cut(value, ":")
	if prefixed && slices.Contains(Kinds[:], Kind(strings.ToLower(strings.TrimSpace(prefix)))) {
		return true
	}
	for _, at := range []string{"@", "%40", "\uff20", "\ufe6b"} { // as addresses and keyboards have it
		if name, host, ok := strings.Cut(value, at); ok && name != "" && host != "" {
			return true
		}
	}
	return false
}

// hashed returns the topic that a user_hash proves.
func (p Policy) hashed(claims Claims, userHash string) (Topic, error) {
	kind, value := KindExternalID, claims.ExternalID
	if value == "" {
		kind, value = KindEmail, claims.Email
	}
	hashable := []string{value}
	if kind == KindEmail && claims.EmailText != "" {
		hashable = append(hashable, claims.EmailText)
	}
	topic, err := NewTopic(kind, value)
	if err != nil {
		return Topic{}, fmt.Errorf("%w: user_hash without external_id or email", ErrIdentityToken)
	}
	sum, err := hex.DecodeString(userHash)
	if err != nil {
		return Topic{}, fmt.Errorf("%w: user_hash is not hex", ErrIdentityToken)
	}
	for _, secret := range p.secrets() {
		for _, hashed := range hashable {
			mac := hmac.New(sha256.New, []byte(secret))
			mac.Write([]byte(hashed))
			if hmac.Equal(mac.Sum(nil), sum) {
				return topic, nil
			}
		}
	}
	return Topic{}, fmt.Errorf("%w: user_hash differs, or the connector has no identity secret", ErrIdentityToken)
}

// secrets are those that can sign: anyone can sign with an empty one.
func (p Policy) secrets() []string {
	return slices.DeleteFunc(slices.Clone(p.Secrets), func(s string) bool { return s == "" })
}

// replacedBy returns c with each claim that over has in place of c's own.
func (c Claims) replacedBy(over Claims) Claims {
	if len(over.AnonymousIDs) > 0 {
		c.AnonymousIDs = nil
	}
	return ClaimsOf(append(over.Topics(), c.Topics()...))
}
