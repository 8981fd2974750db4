package attack

import (
	"strings"
	"time"
)

// claiming asks for a token of the victim's with these members of the request.
func (x *try) claiming(members any) *answer {
	return x.send(post(x.victim.route("/token"), members).origin(x.victim.page()))
}

// proving asks for one with an identity token.
func (x *try) proving(identityToken string) *answer {
	return x.claiming(object{"identity_token": identityToken})
}

// badToken is an identity token that does not hold.
func badToken(name string, token func(*try) string) Attack {
	return row(name, func(x *try) { x.proving(token(x)).refused(401, "identity_token_invalid") })
}

// mine signs claims as the victim's site does.
func (x *try) mine(claims any) string { return jwt(hs256, claims, hs(x.victim.identitySecret)) }

func identityTokens() []Attack {
	return group("identity token", "docs/protocol.md#proof-of-identity; design 1.6",
		badToken("signed with another secret", func(x *try) string { return jwt(hs256, x.saying(nil), hs("guessed")) }),
		badToken("signed with another connector's secret", func(x *try) string { return jwt(hs256, x.saying(nil), hs(x.foe.identitySecret)) }),
		badToken("signed with the connector's secret in Hull", func(x *try) string { return jwt(hs256, x.saying(nil), hs(x.victim.secret)) }),
		badToken("signed with an empty secret", func(x *try) string { return jwt(hs256, x.saying(nil), hs("")) }),
		badToken("alg none", func(x *try) string { return jwt(object{"alg": "none"}, x.saying(nil), unsigned) }),
		badToken("alg nOnE", func(x *try) string { return jwt(object{"alg": "nOnE"}, x.saying(nil), unsigned) }),
		badToken("alg none, with a good signature", func(x *try) string {
			return jwt(object{"alg": "none"}, x.saying(nil), hs(x.victim.identitySecret))
		}),
		badToken("alg empty", func(x *try) string { return jwt(object{"alg": ""}, x.saying(nil), unsigned) }),
		badToken("alg twice, none last", func(x *try) string {
			return jwt(`{"alg":"HS256","alg":"none"}`, x.saying(nil), unsigned)
		}),
		badToken("alg HS512 under the good secret", func(x *try) string {
			return jwt(object{"alg": "HS512"}, x.saying(nil), hmacBy(newSHA512, x.victim.identitySecret))
		}),
		badToken("HS256 with Hull's public key as the secret", func(x *try) string { return jwt(hs256, x.saying(nil), hs(x.publicPEM())) }),
		badToken("RS256 with a key of its own, which the header brings", func(x *try) string {
			return jwt(object{"alg": "RS256", "jwk": object{"kty": "RSA", "n": strangersKey().N.String(), "e": "AQAB"}}, x.saying(nil), rs(strangersKey()))
		}),
		badToken("RS256 by Hull's key, which signs notifications", func(x *try) string { return jwt(rs256, x.saying(nil), rs(x.hullKeyOrStrangers())) }),
		badToken("a jku that leads to a key of its own", func(x *try) string {
			return jwt(object{"alg": "RS256", "jku": x.Bait.url("http", "127.0.0.1")}, x.saying(nil), rs(strangersKey()))
		}),
		badToken("a kid that is a file known to be empty", func(x *try) string {
			return jwt(object{"alg": "HS256", "kid": "../../../../dev/null"}, x.saying(nil), hs(""))
		}),
		badToken("a header that must be understood, and is not", func(x *try) string {
			return jwt(object{"alg": "HS256", "crit": []string{"b64"}, "b64": false}, x.saying(nil), hs(x.victim.identitySecret))
		}),
		badToken("a claim twice", func(x *try) string {
			return x.mine(`{"external_id":"me","external_id":"` + x.victim.externalID + `","exp":` + jsonOf(in(time.Hour)) + `}`)
		}),
		badToken("expired", func(x *try) string { return x.mine(x.saying(object{"exp": in(-2 * time.Minute)})) }),
		badToken("good for longer than a day", func(x *try) string { return x.mine(x.saying(object{"exp": in(25 * time.Hour)})) }),
		badToken("good for ever", func(x *try) string { return x.mine(x.saying(object{"exp": nil})) }),
		badToken("exp that is not a number", func(x *try) string { return x.mine(x.saying(object{"exp": "9999999999"})) }),
		badToken("exp beyond all numbers", func(x *try) string { return x.mine(`{"external_id":"u","exp":1e400}`) }),
		badToken("EXP in place of exp", func(x *try) string { return x.mine(x.saying(object{"exp": nil, "EXP": in(time.Hour)})) }),
		badToken("issued in the future", func(x *try) string { return x.mine(x.saying(object{"iat": in(10 * time.Minute)})) }),
		badToken("not good before a while", func(x *try) string { return x.mine(x.saying(object{"nbf": in(10 * time.Minute)})) }),
		badToken("aud of another connector", func(x *try) string { return x.mine(x.saying(object{"aud": x.foe.id})) }),
		badToken("aud of nobody", func(x *try) string { return x.mine(x.saying(object{"aud": []string{}})) }),
		badToken("aud that is no text", func(x *try) string { return x.mine(x.saying(object{"aud": 1})) }),
		badToken("claims of another token under a good signature", func(x *try) string {
			mine := strings.Split(x.mine(object{"external_id": "me", "exp": in(time.Hour)}), ".")
			theirs := strings.Split(x.mine(x.saying(nil)), ".")
			return mine[0] + "." + theirs[1] + "." + mine[2]
		}),
		badToken("a bit of the signature turned", func(x *try) string { return turned(x.mine(x.saying(nil)), -5) }),
		badToken("the signature cut off", func(x *try) string {
			token := x.mine(x.saying(nil))
			return token[:strings.LastIndexByte(token, '.')+1]
		}),
		badToken("padded base64", func(x *try) string { return x.mine(x.saying(nil)) + "=" }),
		badToken("five parts, as what is encrypted has", func(x *try) string { return x.mine(x.saying(nil)) + ".e30.e30" }),
		badToken("a claim that is an object", func(x *try) string { return x.mine(x.saying(object{"email": object{"$ne": ""}})) }),
		badToken("a claim with a line break", func(x *try) string { return x.mine(x.saying(object{"email": "a@b.test\r\nevent: offer"})) }),
		badToken("60 KB of it", func(x *try) string {
			return x.mine(x.saying(object{"filler": strings.Repeat("a", 40_000)})) + strings.Repeat("A", 100)
		}),
		row("a good one at another connector", func(x *try) {
			x.send(post(x.foe.route("/token"), object{"identity_token": x.mine(x.saying(nil))}).origin(x.foe.page())).
				refused(401, "identity_token_invalid")
		}),
	)
}

// turned is a text with one character of base64 changed into another; from the end when
// at is negative.
func turned(text string, at int) string {
	if at < 0 {
		at += len(text)
	}
	other := byte('A')
	if text[at] == other {
		other = 'Q'
	}
	return text[:at] + string(other) + text[at+1:]
}

// publicPEM is a public key that everybody knows.
func (x *try) publicPEM() string { return publicPEM(x.hullKeyOrStrangers()) }

// unproven are claims of which none counts.
func unproven(name string, claimed func(*try) object) Attack {
	return row(name, func(x *try) { x.claiming(object{"claims": claimed(x)}).refused(403, "claims_unproven") })
}

// badHash is a user_hash that does not hold.
func badHash(name string, members func(*try) object) Attack {
	return row(name, func(x *try) { x.claiming(members(x)).refused(401, "identity_token_invalid") })
}

func claims() []Attack {
	return group("claim", "docs/protocol.md#proof-of-identity; design 1.6",
		unproven("an email, unsigned", func(x *try) object { return object{"email": x.victim.email} }),
		unproven("an external id, unsigned", func(x *try) object { return object{"external_id": x.victim.externalID} }),
		unproven("Hull's id, unsigned", func(x *try) object { return object{"id": x.victim.user} }),
		unproven("a short anonymous id, which can be guessed", func(*try) object { return object{"anonymous_id": "12345"} }),
		unproven("an anonymous id of a service that counts its visitors", func(*try) object {
			return object{"anonymous_id": "counter:0000000000000001"}
		}),
		unproven("an email as an anonymous id", func(x *try) object { return object{"anonymous_id": x.victim.email} }),
		unproven("an email in the words of a topic as an anonymous id", func(x *try) object { return object{"anonymous_id": "email:" + x.victim.email} }),
		row("an email beside an anonymous id that counts opens nothing of the email's", func(x *try) {
			var got tokenAnswer
			x.claiming(object{"claims": object{"email": x.victim.email, "anonymous_id": "somebody-elses-browser"}}).taken(201).into(&got)
			if len(got.Topics) != 1 || got.Topics[0] != "anonymous_id:somebody-elses-browser" {
				x.fault("the topics are %v", got.Topics)
			}
			x.isStranger(got.Token)
		}),
		row("somebody's external id as an anonymous id leads to nobody", func(x *try) {
			x.isStranger(x.tokenOf(object{"anonymous_id": x.victim.externalID + "-longer"}))
		}),
		row("somebody's external id under the name of Hull's id, signed, leads to nobody", func(x *try) {
			var got tokenAnswer
			x.proving(x.mine(object{"id": x.victim.externalID, "exp": in(time.Hour)})).taken(201).into(&got)
			x.isStranger(got.Token)
		}),
		row("somebody else's anonymous id beside a signed claim leads to nobody else", func(x *try) {
			var got tokenAnswer
			x.claiming(object{
				"claims": object{"anonymous_id": x.victim.anonymousID}, "identity_token": x.mine(object{"external_id": "me-" + x.table, "exp": in(time.Hour)}),
			}).taken(201).into(&got)
			x.isStranger(got.Token)
		}),
		row("another connector's visitor is nobody here", func(x *try) {
			x.isStranger(x.tokenOf(object{"anonymous_id": x.foe.anonymousID}))
		}),
		badHash("a user_hash that is guessed", func(x *try) object {
			return object{"claims": object{"external_id": x.victim.externalID}, "user_hash": strings.Repeat("0", 64)}
		}),
		badHash("somebody else's user_hash", func(x *try) object {
			return object{"claims": object{"external_id": x.victim.externalID}, "user_hash": hashOf("me", x.victim.identitySecret)}
		}),
		badHash("a user_hash under another connector's secret", func(x *try) object {
			return object{"claims": object{"external_id": x.victim.externalID}, "user_hash": hashOf(x.victim.externalID, x.foe.identitySecret)}
		}),
		badHash("a user_hash of the email beside an external id", func(x *try) object {
			return object{"claims": object{"external_id": "me", "email": x.victim.email}, "user_hash": hashOf(x.victim.email, x.victim.identitySecret)}
		}),
		badHash("a user_hash of Hull's id", func(x *try) object {
			return object{"claims": object{"id": x.victim.user}, "user_hash": hashOf(x.victim.user, x.victim.identitySecret)}
		}),
		badHash("a user_hash of nothing", func(x *try) object {
			return object{"claims": object{}, "user_hash": hashOf("", x.victim.identitySecret)}
		}),
		badHash("a user_hash that is cut", func(x *try) object {
			return object{"claims": object{"external_id": x.victim.externalID}, "user_hash": hashOf(x.victim.externalID, x.victim.identitySecret)[:32]}
		}),
		row("nothing", func(x *try) { x.claiming(object{"claims": object{}}).refused(400, "empty_claims") }),
		row("a list in place of claims", func(x *try) { x.claiming(object{"claims": []string{}}).refused(400, "invalid_claims") }),
		row("an operator of a database in place of a text", func(x *try) {
			x.claiming(object{"claims": object{"external_id": object{"$gt": ""}}}).refused(400, "invalid_claims")
		}),
		row("half of a surrogate pair", func(x *try) {
			x.claiming(`{"claims":{"anonymous_id":"0123456789abcdef\ud800"}}`).refused(400, "invalid_claims")
		}),
		row("a NUL", func(x *try) {
			x.claiming(`{"claims":{"anonymous_id":"0123456789abcdef\u0000"}}`).refused(400, "invalid_claims")
		}),
		row("of somebody known and of nobody is answered the same", func(x *try) {
			known := x.claiming(object{"claims": object{"email": x.victim.email}}).refused(403, "claims_unproven")
			unknown := x.claiming(object{"claims": object{"email": "nobody@nowhere.test"}}).refused(403, "claims_unproven")
			if string(known.body) != string(unknown.body) {
				x.fault("the answers differ")
			}
		}),
	)
}

// tokenOf is a token for claims that count.
func (x *try) tokenOf(claims object) string {
	var got tokenAnswer
	x.claiming(object{"claims": claims}).taken(201).into(&got)
	return got.Token
}

// isStranger asks that a token leads to nobody who is known.
func (x *try) isStranger(token string) {
	if e := x.first(token); e.kind != "cache.miss" {
		x.fault("the stream is told %s %.100s", e.kind, e.data)
	}
}
