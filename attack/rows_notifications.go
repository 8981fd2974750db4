package attack

import (
	"crypto/rand"
	"crypto/rsa"
	"maps"
	"net/url"
	"time"
)

// notification is what is sent to Hull's door; a row changes what it attacks with.
type notification struct {
	body   object
	header map[string]string
	claims object // of the signature
	key    *rsa.PrivateKey
	sign   func(claims object) string // nil: RS256 with key
}

// notified builds a notification of the victim's connector, signed as Hull does if the
// target's key is known, else with a key of a stranger's.
func (x *try) notified() *notification {
	id := rand.Text()
	return &notification{
		body: object{
			"notification_id": id, "channel": "user:update",
			"configuration": object{"id": x.victim.id, "organization": x.victim.organization, "secret": x.victim.secret},
			"messages":      []any{object{"user": object{"id": x.victim.user, "email": x.victim.email, "plan": "forged"}}},
		},
		header: map[string]string{
			"X-Hull-Smart-Notifier": "true", "X-Hull-Smart-Notifier-Signature-Version": "v1",
			"X-Hull-Smart-Notifier-Signature-Public-Key-Url": "https://attack.invalid/key",
		},
		claims: object{"jti": id, "iat": in(0)}, key: x.hullKeyOrStrangers(),
	}
}

func (x *try) hullKeyOrStrangers() *rsa.PrivateKey {
	if x.HullKey != nil {
		return x.HullKey
	}
	return strangersKey()
}

func (n *notification) configuration() object { return n.body["configuration"].(object) }

// deliver sends it.
func (x *try) deliver(n *notification) *answer {
	r := post("/smart-notifier", n.body)
	if _, own := n.header["X-Hull-Smart-Notifier-Signature"]; !own {
		if n.sign == nil {
			n.sign = func(claims object) string { return jwt(rs256, claims, rs(n.key)) }
		}
		r = r.with("X-Hull-Smart-Notifier-Signature", n.sign(n.claims))
	}
	for name, value := range n.header {
		if value != "" {
			r = r.with(name, value)
		}
	}
	return x.send(r)
}

// signed marks attacks of who has Hull's signature.
func signed(a Attack) Attack {
	a.needs = func(t *Target) string {
		if t.HullKey == nil {
			return "Hull's key is not known"
		}
		return ""
	}
	return a
}

// badNotification is one that is changed so that it must be refused.
func badNotification(name, code string, change func(*try, *notification)) Attack {
	return row(name, func(x *try) {
		n := x.notified()
		change(x, n)
		// Without a pinned key the address of the key comes first.
		x.deliver(n).refused(400, append([]string{code}, x.untrustedKey()...)...)
	})
}

func (x *try) untrustedKey() []string {
	if x.HullKey == nil {
		return []string{"UNTRUSTED_KEY_URL"}
	}
	return nil
}

// OnHullsDoor are the attacks that come through the routes of Hull's.
func OnHullsDoor() []Attack { return append(notifications(), fetches()...) }

func notifications() []Attack {
	const badSignature, wrongConfiguration = "INVALID_SIGNATURE", "INVALID_CONFIGURATION"
	return group("notification", "docs/protocol.md#order-of-checks; hull-protocol.md 3.6",
		row("without any header", func(x *try) { x.send(post("/smart-notifier", x.notified().body)).refused(400, "MISSING_FLAG_HEADER") }),
		badNotification("unsigned", "MISSING_SIGNATURE_HEADERS", func(_ *try, n *notification) { n.header["X-Hull-Smart-Notifier-Signature"] = "" }),
		badNotification("of a version that there is not", "UNSUPPORTED_SIGNATURE_VERSION", func(_ *try, n *notification) {
			n.header["X-Hull-Smart-Notifier-Signature-Version"] = "v0"
		}),
		badNotification("signed by a stranger", badSignature, func(_ *try, n *notification) { n.key = strangersKey() }),
		badNotification("alg none", badSignature, func(_ *try, n *notification) {
			n.sign = func(c object) string { return jwt(object{"alg": "none"}, c, unsigned) }
		}),
		badNotification("HS256 with the public key as the secret", badSignature, func(x *try, n *notification) {
			n.sign = func(c object) string { return jwt(hs256, c, hs(x.publicPEM())) }
		}),
		badNotification("HS256 with the connector's secret", badSignature, func(x *try, n *notification) {
			n.sign = func(c object) string { return jwt(hs256, c, hs(x.victim.secret)) }
		}),
		badNotification("HS256 with an empty secret", badSignature, func(_ *try, n *notification) {
			n.sign = func(c object) string { return jwt(hs256, c, hs("")) }
		}),
		badNotification("RS256 by a key that the header leads to", badSignature, func(x *try, n *notification) {
			n.sign = func(c object) string {
				at := x.Bait.url("https", "127.0.0.1")
				return jwt(object{"alg": "RS256", "jku": at, "x5u": at, "kid": at}, c, rs(strangersKey()))
			}
		}),
		signed(badNotification("a signature of another notification", badSignature, func(_ *try, n *notification) { n.claims["jti"] = "another" })),
		signed(badNotification("a signature of none", badSignature, func(_ *try, n *notification) { delete(n.claims, "jti") })),
		signed(badNotification("older than a day", badSignature, func(_ *try, n *notification) { n.claims["iat"] = in(-25 * time.Hour) })),
		signed(badNotification("ten minutes ahead", badSignature, func(_ *try, n *notification) { n.claims["iat"] = in(10 * time.Minute) })),
		signed(badNotification("of no time", badSignature, func(_ *try, n *notification) { delete(n.claims, "iat") })),
		signed(badNotification("expired", badSignature, func(_ *try, n *notification) { n.claims["exp"] = in(-2 * time.Minute) })),
		signed(badNotification("not good before a while", badSignature, func(_ *try, n *notification) { n.claims["nbf"] = in(10 * time.Minute) })),
		signed(badNotification("of which a bit is turned", badSignature, func(_ *try, n *notification) {
			n.sign = func(c object) string { return turned(jwt(rs256, c, rs(n.key)), -9) }
		})),
		signed(row("signed, with a secret that Hull does not know", func(x *try) {
			n := x.notified()
			n.configuration()["secret"] = "guessed"
			x.deliver(n).refusedAs(400, 503)
		})),
		signed(row("signed, with another connector's secret", func(x *try) {
			n := x.notified()
			n.configuration()["secret"] = x.foe.secret
			x.deliver(n).refusedAs(400, 503)
		})),
		badNotification("of another organization", wrongConfiguration, func(x *try, n *notification) { n.configuration()["organization"] = x.foe.organization }),
		badNotification("of two connectors at once", wrongConfiguration, func(x *try, n *notification) { n.body["connector"] = object{"id": x.foe.id} }),
		badNotification("of a connector that nobody knows, of a stranger's organization", wrongConfiguration, func(_ *try, n *notification) {
			maps.Copy(n.configuration(), object{"id": "0123456789abcdef01234567", "organization": "evil.test"})
		}),
		badNotification("of an organization that looks like Hull's", wrongConfiguration, func(_ *try, n *notification) {
			maps.Copy(n.configuration(), object{"id": "0123456789abcdef01234567", "organization": "evilhullapp.io"})
		}),
		badNotification("of an organization that begins as Hull's", wrongConfiguration, func(_ *try, n *notification) {
			maps.Copy(n.configuration(), object{"id": "0123456789abcdef01234567", "organization": "hullapp.io.evil.test"})
		}),
		badNotification("of an organization on this machine", wrongConfiguration, func(x *try, n *notification) {
			maps.Copy(n.configuration(), object{"id": "0123456789abcdef01234567", "organization": "127.0.0.1:" + x.Bait.port})
		}),
		badNotification("of an organization with a path", wrongConfiguration, func(x *try, n *notification) {
			maps.Copy(n.configuration(), object{"id": "0123456789abcdef01234567", "organization": "127.0.0.1:" + x.Bait.port + "/x.hullapp.io"})
		}),
		badNotification("of an id that leaves its path", wrongConfiguration, func(_ *try, n *notification) { n.configuration()["id"] = "../../admin" }),
		signed(row("again with another body", func(x *try) {
			n := x.other("replayed")
			x.deliver(n).taken(200)
			n.body["messages"] = []any{object{"user": object{"id": x.victim.user, "plan": "replayed"}}}
			x.deliver(n).refused(400, "REPLAYED_NOTIFICATION")
		})),
		signed(row("again with the same body has no effect", func(x *try) {
			n := x.other("repeated")
			x.deliver(n).taken(200)
			before := x.explained("id:" + x.table + "-repeated")
			x.deliver(n).taken(200)
			if x.explained("id:"+x.table+"-repeated") != before {
				x.fault("the user has another version")
			}
		})),
		signed(row("that makes an old state of the user's the latest", func(x *try) {
			n := x.other("outdated")
			message := func(plan, at string) []any {
				return []any{object{"user": object{"id": x.table + "-outdated", "plan": plan, "indexed_at": at}}}
			}
			n.body["messages"] = message("new", "2026-01-02T00:00:00Z")
			x.deliver(n).taken(200)
			before := x.explained("id:" + x.table + "-outdated")
			old := x.other("outdated")
			old.body["messages"] = message("old", "2026-01-01T00:00:00Z")
			x.deliver(old).taken(200)
			if x.explained("id:"+x.table+"-outdated") != before {
				x.fault("the old state holds")
			}
		})),
		row("in XML", func(x *try) {
			n := x.notified()
			r := post("/smart-notifier", `<?xml version="1.0"?><!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>`)
			for name, value := range n.header {
				r = r.with(name, value)
			}
			x.send(r.with("X-Hull-Smart-Notifier-Signature", jwt(rs256, n.claims, rs(n.key)))).refused(400, append(x.untrustedKey(), "INVALID_JSON")...)
		}),
		row("by Amazon SNS without credentials", func(x *try) { x.bySNS(url.Values{}, nil).refused(403, "MISSING_CREDENTIALS") }),
		row("by Amazon SNS with another connector's secret", func(x *try) {
			x.bySNS(url.Values{"ship": {x.victim.id}, "organization": {x.victim.organization}, "secret": {x.foe.secret}}, nil).refused(403, "INVALID_CREDENTIALS")
		}),
		row("by Amazon SNS, unsigned", func(x *try) { x.bySNS(nil, object{"Signature": ""}).refused(400, badSignature) }),
		row("by Amazon SNS, of another connector's topic", func(x *try) {
			x.bySNS(nil, object{"TopicArn": "arn:aws:sns:us-east-1:123456789012:hull-" + x.foe.id}).refused(400, badSignature)
		}),
		row("by Amazon SNS, a day old", func(x *try) {
			x.bySNS(nil, object{"Timestamp": time.Now().Add(-24 * time.Hour).UTC().Format(time.RFC3339)}).refused(400, badSignature)
		}),
		row("by Amazon SNS, with a line break that makes of one message another", func(x *try) {
			x.bySNS(nil, object{"Subject": "user_report:update\nTimestamp\n2026"}).refused(400, "INVALID_NOTIFICATION")
		}),
	)
}

// other is a good notification of a user whom nobody looks at.
func (x *try) other(name string) *notification {
	n := x.notified()
	n.body["messages"] = []any{object{"user": object{"id": x.table + "-" + name, "plan": "pro"}}}
	return n
}

// explained is what is stored of a user of the victim's connector.
func (x *try) explained(topic string) string {
	var got struct {
		User struct {
			Version int64 `json:"version"`
			State   any   `json:"state"`
		} `json:"user"`
	}
	unmarshal(x.admin(x.victim.userRoute(topic)), &got)
	return jsonOf(got)
}

// bySNS sends a message as Amazon SNS does; nil credentials are the victim's.
func (x *try) bySNS(credentials url.Values, changes object) *answer {
	query := credentials.Encode()
	if credentials == nil {
		query = x.victim.credentials()
	}
	message := object{
		"Type": "Notification", "MessageId": rand.Text(), "Subject": "user_report:update",
		"Message":   jsonOf(object{"user": object{"id": x.victim.user, "plan": "forged"}, "segments": []any{}}),
		"TopicArn":  "arn:aws:sns:us-east-1:123456789012:hull-" + x.victim.id,
		"Timestamp": time.Now().UTC().Format(time.RFC3339), "SignatureVersion": "2", "Signature": "AAAA",
		"SigningCertURL": "https://sns.us-east-1.amazonaws.com/attack.pem",
	}
	maps.Copy(message, changes)
	return x.send(post("/smart-notifier?"+query, message).with("X-Amz-Sns-Message-Type", "Notification"))
}
