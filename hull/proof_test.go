package hull_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"hullbeam/hull"
)

const (
	identitySecret = "identity-secret"
	connectorID    = "3de707bcaa7fee93742e2793"
	browserID      = "0a1b2c3d-4e5f-4601-9234-56789abcdef0"
)

var proofNow = time.Unix(1_800_000_000, 0)

// hs256 signs a JWT without any library, so that nothing is checked by itself.
func hs256(secret, header string, payload []byte) string {
	encode := base64.RawURLEncoding.EncodeToString
	signed := encode([]byte(header)) + "." + encode(payload)
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(signed))
	return signed + "." + encode(mac.Sum(nil))
}

func hs512(secret, text string) []byte {
	mac := hmac.New(sha512.New, []byte(secret))
	mac.Write([]byte(text))
	return mac.Sum(nil)
}

const hs256Header = `{"alg":"HS256","typ":"JWT"}`

// identity makes an identity token that expires in an hour, unless claims say
// otherwise.
func identity(secret string, claims map[string]any) string {
	all := map[string]any{"exp": proofNow.Unix() + 3600}
	for name, value := range claims {
		all[name] = value
		if value == nil {
			delete(all, name)
		}
	}
	payload, err := json.Marshal(all)
	if err != nil {
		panic(err)
	}
	return hs256(secret, hs256Header, payload)
}

// unsigned is a JWT up to its signature.
func unsigned(token string) string { return token[:strings.LastIndex(token, ".")+1] }

// respell changes a bit of the last character that base64 does not use.
func respell(token string) string {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	last := len(token) - 1
	return token[:last] + string(alphabet[strings.IndexByte(alphabet, token[last])^1])
}

func userHash(secret, of string) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(of))
	return hex.EncodeToString(mac.Sum(nil))
}

// counts is a Proof that reads as a sentence: topics, "signed" after those that
// are, "not" before the names of those that do not count.
func counts(p hull.Proof) string {
	var words []string
	for i, topic := range p.Topics {
		words = append(words, topic.String())
		if p.Signed[i] {
			words = append(words, "signed")
		}
	}
	for _, name := range p.Unproven {
		words = append(words, "not", name)
	}
	return strings.Join(words, " ")
}

func TestA1WhichClaimsCount(t *testing.T) {
	all := hull.Claims{ID: "i", ExternalID: "x", Email: "e@example.com", AnonymousIDs: []string{browserID}}
	anonymous := func(ids ...string) hull.Claims { return hull.Claims{AnonymousIDs: ids} }
	token := func(claims map[string]any) string { return identity(identitySecret, claims) }
	tests := []struct {
		name         string
		verification string
		claims       hull.Claims
		token        string
		userHash     string
		want         string
	}{
		{"possession: an anonymous id alone", "possession", all, "", "",
			"anonymous_id:" + browserID + " not id not external_id not email"},
		{"possession: sixteen characters", "possession", anonymous("0123456789abcdef"), "", "", "anonymous_id:0123456789abcdef"},
		{"possession: sixteen characters, not bytes", "possession", anonymous("0123456789abcdeé", "0123456789abcé"), "", "",
			"anonymous_id:0123456789abcdeé"},
		{"possession: fifteen characters beside a long one", "possession", anonymous("0123456789abcde", browserID), "", "",
			"anonymous_id:" + browserID},
		{"possession: a service that counts", "possession", anonymous("intercom:590700000000"), "", "",
			"anonymous_id:intercom:590700000000"},
		{"possession: another service does not", "possession", hull.Claims{AnonymousIDs: []string{"hubspot:0000000000000151", browserID}}, "", "",
			"anonymous_id:" + browserID},
		{"possession: an anonymous id that is an email", "possession", anonymous("ada.lovelace@example.com", browserID), "", "",
			"anonymous_id:" + browserID},
		{"possession: one that is a person's among its own text", "possession", anonymous("intercom:ada@example.com", browserID), "", "",
			"anonymous_id:" + browserID},
		{"possession: an email as an address has it", "possession", anonymous("ada.lovelace%40example.com", browserID), "", "",
			"anonymous_id:" + browserID},
		{"possession: an anonymous id behind the name of another kind", "possession",
			anonymous("id:5c0fa1fbe6e53d5e4b1a2c3e", "EMAIL:0123456789abcdef", " external_id : 0123456789abcdef", "anonymous_id:0123456789abcdef", browserID), "", "",
			"anonymous_id:" + browserID},
		{"possession: an at sign makes no email", "possession", anonymous("@0123456789abcdef", "0123456789abcdef@"), "", "",
			"anonymous_id:@0123456789abcdef anonymous_id:0123456789abcdef@"},
		{"possession: shaped ids count when they are signed", "possession", hull.Claims{},
			token(map[string]any{"anonymous_id": []string{"ada@example.com", "id:1"}}), "", "anonymous_id:ada@example.com signed anonymous_id:id:1 signed"},
		{"possession: shaped ids of the page do not, whatever else is signed", "possession", anonymous("ada.lovelace@example.com"),
			token(map[string]any{"email": "ada.lovelace@example.com"}), "", "email:ada.lovelace@example.com signed not anonymous_id"},
		{"signed: a user_hash of external_id is none of the email with that text", "signed", hull.Claims{ExternalID: "a@example.com", Email: "a@example.com"}, "",
			userHash(identitySecret, "a@example.com"), "external_id:a@example.com signed not email"},
		{"signed: claims under other names are none", "signed", all, token(map[string]any{"id": "i", "sub": "x", "user_id": "x", "Email": "e@example.com", "emails": "e@example.com", "external-id": "x"}), "",
			"id:i signed not external_id not email not anonymous_id"},
		{"signed: the token's kinds are not the page's", "signed", hull.Claims{ID: "same", ExternalID: "same"}, token(map[string]any{"external_id": "same"}), "",
			"external_id:same signed not id"},
		{"possession: a signed email", "possession", all, token(map[string]any{"email": "e@example.com"}), "",
			"email:e@example.com signed anonymous_id:" + browserID + " not id not external_id"},
		{"possession: a signed anonymous id may be short", "possession", hull.Claims{}, token(map[string]any{"anonymous_id": "a"}), "",
			"anonymous_id:a signed"},
		{"possession: the token's anonymous ids take the place of the page's", "possession", anonymous(browserID),
			token(map[string]any{"anonymous_id": "a"}), "", "anonymous_id:a signed"},
		{"signed: all four", "signed", hull.Claims{},
			token(map[string]any{"id": "i", "external_id": "x", "email": " E@Example.com", "anonymous_id": []string{"a", "b"}}), "",
			"id:i signed external_id:x signed email:e@example.com signed anonymous_id:a signed anonymous_id:b signed"},
		{"signed: the rest does not count", "signed", all, token(map[string]any{"id": "i"}), "",
			"id:i signed not external_id not email not anonymous_id"},
		{"signed: the token wins", "signed", all, token(map[string]any{"id": "other", "anonymous_id": "b"}), "",
			"id:other signed anonymous_id:b signed not external_id not email"},
		{"signed: by the second secret", "signed", hull.Claims{}, identity("former-secret", map[string]any{"id": "i"}), "",
			"id:i signed"},
		{"signed: a user_hash of external_id", "signed", all, "", userHash(identitySecret, "x"),
			"external_id:x signed not id not email not anonymous_id"},
		{"signed: a user_hash in capitals by the second secret", "signed", hull.Claims{ExternalID: "x"}, "",
			strings.ToUpper(userHash("former-secret", "x")), "external_id:x signed"},
		{"signed: a user_hash of email", "signed", hull.Claims{ID: "i", Email: "e@example.com"}, "", userHash(identitySecret, "e@example.com"),
			"email:e@example.com signed not id"},
		{"signed: user_hash and token", "signed", all, token(map[string]any{"id": "i"}), userHash(identitySecret, "x"),
			"id:i signed external_id:x signed not email not anonymous_id"},
		{"signed: the token wins over a user_hash", "signed", all, token(map[string]any{"external_id": "y"}), userHash(identitySecret, "x"),
			"external_id:y signed not id not email not anonymous_id"},
		{"off: everything", "off", all, "", "",
			"id:i external_id:x email:e@example.com anonymous_id:" + browserID},
		{"off: signed ones are still told apart", "off", hull.Claims{ID: "i", AnonymousIDs: []string{"a"}}, token(map[string]any{"id": "i"}), "",
			"id:i signed anonymous_id:a"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			policy := hull.Policy{
				Verification:       test.verification,
				Secrets:            []string{identitySecret, "former-secret"},
				PossessionServices: []string{"intercom"},
				Connector:          connectorID,
			}
			proof, err := hull.Prove(test.claims, test.token, test.userHash, policy, proofNow)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, counts(proof)); diff != "" {
				t.Errorf("counts (-want +got):\n%s", diff)
			}
		})
	}
}

func TestProveRefuses(t *testing.T) {
	withID := map[string]any{"id": "i"}
	tests := []struct {
		name     string
		policy   hull.Policy
		claims   hull.Claims
		token    string
		userHash string
		want     error
	}{
		{name: "nothing claimed", policy: hull.Policy{Verification: "off"}, want: hull.ErrNoClaims},
		{name: "a token without claims", policy: hull.Policy{Secrets: []string{identitySecret}},
			token: identity(identitySecret, nil), want: hull.ErrNoClaims},
		{name: "an email under possession", policy: hull.Policy{Verification: "possession"},
			claims: hull.Claims{Email: "ceo@example.com"}, want: hull.ErrUnproven},
		{name: "a short anonymous id under possession", policy: hull.Policy{Verification: "possession"},
			claims: hull.Claims{AnonymousIDs: []string{"0123456789abcde"}}, want: hull.ErrUnproven},
		{name: "a service nobody named", policy: hull.Policy{Verification: "possession"},
			claims: hull.Claims{AnonymousIDs: []string{"intercom:590700000000"}}, want: hull.ErrUnproven},
		{name: "an anonymous id under signed", policy: hull.Policy{Verification: "signed"},
			claims: hull.Claims{AnonymousIDs: []string{browserID}}, want: hull.ErrUnproven},
		{name: "no verification is signed", claims: hull.Claims{AnonymousIDs: []string{browserID}}, want: hull.ErrUnproven},
		{name: "a verification nobody knows is signed", policy: hull.Policy{Verification: "Off"},
			claims: hull.Claims{AnonymousIDs: []string{browserID}}, want: hull.ErrUnproven},
		{name: "a token without a secret to check it", policy: hull.Policy{Verification: "off"},
			claims: hull.Claims{ID: "i"}, token: identity("", withID), want: hull.ErrIdentityToken},
		{name: "a token under an empty secret", policy: hull.Policy{Verification: "off", Secrets: []string{"", ""}},
			claims: hull.Claims{ID: "i"}, token: identity("", withID), want: hull.ErrIdentityToken},
		{name: "a user_hash without a secret", policy: hull.Policy{Secrets: []string{""}},
			claims: hull.Claims{ExternalID: "x"}, userHash: userHash("", "x"), want: hull.ErrIdentityToken},
		{name: "a user_hash of nothing", policy: hull.Policy{Secrets: []string{identitySecret}},
			claims: hull.Claims{ID: "i"}, userHash: userHash(identitySecret, ""), want: hull.ErrIdentityToken},
		{name: "a user_hash of the email beside an external_id", policy: hull.Policy{Secrets: []string{identitySecret}},
			claims: hull.Claims{ExternalID: "x", Email: "e@example.com"}, userHash: userHash(identitySecret, "e@example.com"), want: hull.ErrIdentityToken},
		{name: "a user_hash of somebody else", policy: hull.Policy{Secrets: []string{identitySecret}},
			claims: hull.Claims{ExternalID: "y"}, userHash: userHash(identitySecret, "x"), want: hull.ErrIdentityToken},
		{name: "half a user_hash", policy: hull.Policy{Secrets: []string{identitySecret}},
			claims: hull.Claims{ExternalID: "x"}, userHash: userHash(identitySecret, "x")[:32], want: hull.ErrIdentityToken},
		{name: "a hash of an external_id shown as that of an email", policy: hull.Policy{Secrets: []string{identitySecret}},
			claims: hull.Claims{Email: "e@example.com"}, userHash: userHash(identitySecret, "external_id:e@example.com"), want: hull.ErrIdentityToken},
		{name: "a user_hash of an id", policy: hull.Policy{Secrets: []string{identitySecret}},
			claims: hull.Claims{ID: "i"}, userHash: userHash(identitySecret, "i"), want: hull.ErrIdentityToken},
		{name: "a user_hash of an anonymous id", policy: hull.Policy{Verification: "possession", Secrets: []string{identitySecret}},
			claims: hull.Claims{AnonymousIDs: []string{browserID}}, userHash: userHash(identitySecret, browserID), want: hull.ErrIdentityToken},
		{name: "an anonymous id that is an email", policy: hull.Policy{Verification: "possession"},
			claims: hull.Claims{AnonymousIDs: []string{"ada.lovelace@example.com"}}, want: hull.ErrUnproven},
		{name: "an anonymous id of a kind that is listed as a service", policy: hull.Policy{Verification: "possession", PossessionServices: []string{"id"}},
			claims: hull.Claims{AnonymousIDs: []string{"id:5c0fa1fbe6e53d5e4b1a2c3e"}}, want: hull.ErrUnproven},
		{name: "a user_hash that is not hex", policy: hull.Policy{Secrets: []string{identitySecret}},
			claims: hull.Claims{ExternalID: "x"}, userHash: "x", want: hull.ErrIdentityToken},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			proof, err := hull.Prove(test.claims, test.token, test.userHash, test.policy, proofNow)
			if !errors.Is(err, test.want) {
				t.Errorf("error %v, want %v", err, test.want)
			}
			if len(proof.Topics) > 0 || len(proof.Signed) > 0 {
				t.Errorf("a proof beside the error: %+v", proof)
			}
		})
	}
}

func TestIdentityToken(t *testing.T) {
	in := func(d time.Duration) int64 { return proofNow.Add(d).Unix() }
	with := func(name string, value any) string {
		return identity(identitySecret, map[string]any{"id": "i", name: value})
	}
	plain := []byte(`{"id":"i","exp":1800003600}`)
	good := with("x", 1)
	tests := []struct {
		name  string
		token string
		fault string // "" when it is accepted
	}{
		{"as it should be", good, ""},
		{"exp a day ahead", with("exp", in(24*time.Hour)), ""},
		{"exp a day ahead by a clock that is fast", with("exp", in(24*time.Hour+time.Minute)), ""},
		{"exp further ahead", with("exp", in(24*time.Hour+61*time.Second)), "exp is more than 24h0m0s ahead"},
		{"exp beyond all time", with("exp", 1e300), "exp"},
		{"exp passed by less than the skew", with("exp", in(-59*time.Second)), ""},
		{"exp passed", with("exp", in(-time.Minute)), "expired"},
		{"exp zero", with("exp", 0), "exp is missing"},
		{"exp missing", with("exp", nil), "exp is missing"},
		{"exp a string", with("exp", "1800003600"), "unreadable times"},
		{"exp in capitals", with("EXP", in(time.Hour)), ""},
		{"only exp in capitals", hs256(identitySecret, hs256Header, []byte(`{"id":"i","EXP":1800003600}`)), "exp is missing"},
		{"nbf within the skew", with("nbf", in(time.Minute)), ""},
		{"nbf ahead", with("nbf", in(61*time.Second)), "not valid yet"},
		{"iat within the skew", with("iat", in(time.Minute)), ""},
		{"iat ahead", with("iat", in(61*time.Second)), "issued in the future"},
		{"aud is the connector", with("aud", connectorID), ""},
		{"aud contains the connector", with("aud", []string{"shop", connectorID}), ""},
		{"aud is another", with("aud", "5de707bcaa7fee93742e2793"), "aud is not the connector's id"},
		{"aud is empty", with("aud", []string{}), "aud is not the connector's id"},
		{"aud is null", hs256(identitySecret, hs256Header, []byte(`{"id":"i","exp":1800003600,"aud":null}`)), "aud is not the connector's id"},
		{"aud is an object", with("aud", map[string]int{}), "aud is not the connector's id"},
		{"alg none", hs256(identitySecret, `{"alg":"none"}`, plain), "wrong algorithm or signature"},
		{"alg none without a signature", unsigned(hs256("", `{"alg":"none"}`, plain)), "wrong algorithm or signature"},
		{"alg HS512 in the header", hs256(identitySecret, `{"alg":"HS512"}`, plain), "wrong algorithm or signature"},
		{"alg RS256 in the header", hs256(identitySecret, `{"alg":"RS256"}`, plain), "wrong algorithm or signature"},
		{"alg in small letters", hs256(identitySecret, `{"alg":"hs256"}`, plain), "unknown algorithm"},
		{"alg in mixed letters", hs256(identitySecret, `{"alg":"Hs256"}`, plain), "unknown algorithm"},
		{"alg under another name", hs256(identitySecret, `{"ALG":"HS256"}`, plain), "unknown algorithm"},
		{"alg HS256 signed as HS512", unsigned(good) + base64.RawURLEncoding.EncodeToString(hs512(identitySecret, strings.TrimSuffix(unsigned(good), "."))), "wrong algorithm or signature"},
		{"alg a list", hs256(identitySecret, `{"alg":["HS256"]}`, plain), "unknown algorithm"},
		{"the last alg counts, which is none", hs256(identitySecret, `{"alg":"HS256","alg":"none"}`, plain), "wrong algorithm or signature"},
		{"kid, jku, x5u and jwk say nothing", hs256(identitySecret, `{"alg":"HS256","kid":"../../dev/null","jku":"http://127.0.0.1:1/","x5u":"http://127.0.0.1:1/","jwk":{"kty":"oct","k":""}}`, plain), ""},
		{"the secret that its own jwk brings", hs256("mine", `{"alg":"HS256","jwk":{"kty":"oct","k":"bWluZQ"}}`, plain), "wrong algorithm or signature"},
		{"crit asks for what nobody knows", hs256(identitySecret, `{"alg":"HS256","crit":["b64"],"b64":false}`, plain), "crit"},
		{"crit is empty", hs256(identitySecret, `{"alg":"HS256","crit":[]}`, plain), "crit"},
		{"a member twice", hs256(identitySecret, hs256Header, []byte(`{"email":"e@example.com","id":"i","email":"ceo@example.com","exp":1800003600}`)), "malformed"},
		{"a member twice, once in other letters", hs256(identitySecret, hs256Header, []byte(`{"id":"i","exp":1800003600,"\u0069d":"ceo"}`)), "malformed"},
		{"exp twice", hs256(identitySecret, hs256Header, []byte(`{"id":"i","exp":1,"exp":1800003600}`)), "malformed"},
		{"names in capitals are others", hs256(identitySecret, hs256Header, []byte(`{"id":"i","ID":"ceo","exp":1800003600}`)), ""},
		{"nested deeply", hs256(identitySecret, hs256Header, []byte(`{"id":"i","exp":1800003600,"x":`+strings.Repeat("[", 40)+strings.Repeat("]", 40)+`}`)), "malformed"},
		{"an id that is a number", with("id", 7), "/claims/id must be a string"},
		{"an external_id that is an object", with("external_id", map[string]string{"$ne": ""}), "/claims/external_id must be a string"},
		{"an anonymous_id that is an object", with("anonymous_id", map[string]string{"0": "a"}), "/claims/anonymous_id must be a string"},
		{"an anonymous_id of lists", with("anonymous_id", [][]string{{"a"}}), "/claims/anonymous_id/0 must be a string"},
		{"too many anonymous ids", with("anonymous_id", strings.Split("abcdefghijk", "")), "/claims/anonymous_id has more than 10 values"},
		{"aud contains what is no text", with("aud", []any{connectorID, 7}), "aud is not the connector's id"},
		{"aud begins with the connector", with("aud", connectorID+"x"), "aud is not the connector's id"},
		{"aud in capitals", with("aud", strings.ToUpper(connectorID)), "aud is not the connector's id"},
		{"aud under another name says nothing", with("Aud", "another"), ""},
		{"nbf a string", with("nbf", "now"), "unreadable times"},
		{"exp with a fraction", with("exp", float64(in(time.Hour))+.5), ""},
		{"exp negative", with("exp", -1), "expired"},
		{"no alg", hs256(identitySecret, `{}`, plain), "unknown algorithm"},
		{"another secret", identity("another", map[string]any{"id": "i"}), "wrong algorithm or signature"},
		{"the signature of another payload", unsigned(with("id", "ceo")) + strings.TrimPrefix(good, unsigned(good)), "wrong algorithm or signature"},
		{"the signature in another spelling", respell(good), "malformed"},
		{"no signature", unsigned(good), "wrong algorithm or signature"},
		{"two parts", strings.TrimSuffix(unsigned(good), "."), "malformed"},
		{"four parts", good + ".x", "malformed"},
		{"no token", "jwt_secret", "malformed"},
		{"payload null", hs256(identitySecret, hs256Header, []byte(`null`)), "exp is missing"},
		{"payload a list", hs256(identitySecret, hs256Header, []byte(`[]`)), "malformed"},
		{"claim of the wrong type", with("email", []string{"e@example.com"}), "/claims/email must be a string"},
		{"claim too long", with("external_id", strings.Repeat("x", 257)), "/claims/external_id is longer than 256 bytes"},
	}
	policy := hull.Policy{Verification: "signed", Secrets: []string{identitySecret}, Connector: connectorID}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := hull.Prove(hull.Claims{ID: "unsigned"}, test.token, "", policy, proofNow)
			switch {
			case test.fault == "" && err != nil:
				t.Error(err)
			case test.fault != "" && !errors.Is(err, hull.ErrIdentityToken):
				t.Errorf("error %v, want ErrIdentityToken", err)
			case test.fault != "" && !strings.Contains(err.Error(), test.fault):
				t.Errorf("error %v, want %s", err, test.fault)
			}
		})
	}
}

// FuzzProve signs what the fuzzer makes up as header and payload, once with a
// secret that the connector has and once with another, and tries its own
// signature too.
func FuzzProve(f *testing.F) {
	f.Add(hs256Header, []byte(`{"id":"i","email":"E@example.com","exp":1800003600,"aud":["a"]}`), "c2ln", "00ff")
	f.Add(`{"alg":"none"}`, []byte(`{"anonymous_id":["a",null],"exp":18e8,"nbf":0,"iat":1}`), "", "")
	f.Add(`{"alg":"HS512"}`, []byte(`{"exp":1e300}`), "=", "zz")
	policy := hull.Policy{Verification: "signed", Secrets: []string{identitySecret}, Connector: connectorID}
	f.Fuzz(func(t *testing.T, header string, payload []byte, signature, hash string) {
		signed := hs256(identitySecret, header, payload)
		for _, forged := range []string{
			hs256("another-secret", header, payload), unsigned(signed), unsigned(signed) + signature, string(payload), signature,
		} {
			if forged == signed || forged == "" {
				continue
			}
			if _, err := hull.Prove(hull.Claims{}, forged, "", policy, proofNow); !errors.Is(err, hull.ErrIdentityToken) {
				t.Fatalf("%q without the secret: %v", forged, err)
			}
		}
		if hash != "" && !strings.EqualFold(hash, userHash(identitySecret, "x")) {
			if _, err := hull.Prove(hull.Claims{ExternalID: "x"}, "", hash, policy, proofNow); !errors.Is(err, hull.ErrIdentityToken) {
				t.Fatalf("user_hash %q: %v", hash, err)
			}
		}
		proof, err := hull.Prove(hull.Claims{}, signed, "", policy, proofNow)
		if err != nil {
			return
		}
		var head struct{ Alg string }
		var body struct{ Exp float64 }
		if json.Unmarshal([]byte(header), &head) != nil || head.Alg != "HS256" || json.Unmarshal(payload, &body) != nil || len(proof.Topics) == 0 {
			t.Errorf("proven by header %q payload %q: %v", header, payload, proof)
		}
	})
}
