package hull_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"maps"
	"net/http"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"hullbeam/hull"
	"hullbeam/hull/hulltest"
)

type snsVectors struct {
	Certificate string `json:"certificate_pem"`
	Headers     map[string]string
	Cases       []struct {
		File         string
		StringToSign string `json:"string_to_sign"`
		SHA256       string `json:"string_to_sign_sha256"`
		Valid        bool
	}
	URLs []struct {
		URL    string
		Accept bool
	} `json:"signing_cert_urls"`
}

func readSNSVectors(t *testing.T) (v snsVectors) {
	t.Helper()
	readJSON(t, "../testdata/hull/vectors/sns.json", &v)
	if len(v.Cases) != 5 || len(v.URLs) != 12 {
		t.Fatalf("%d cases, %d URLs", len(v.Cases), len(v.URLs))
	}
	return v
}

func parseSNS(t testing.TB, body []byte) *hull.SNSMessage {
	t.Helper()
	m, err := hull.ParseSNS(body, 0)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestSNSVectors(t *testing.T) {
	v := readSNSVectors(t)
	for _, c := range v.Cases {
		t.Run(c.File, func(t *testing.T) {
			body := readFixture(t, "vectors/"+c.File)
			m := parseSNS(t, body)
			if got := m.StringToSign(); got != c.StringToSign {
				t.Errorf("string to sign\n got %q\nwant %q", got, c.StringToSign)
			}
			if sum := sha256.Sum256([]byte(m.StringToSign())); hex.EncodeToString(sum[:]) != c.SHA256 {
				t.Error("its SHA-256 is another")
			}
			if err := m.SignedBy(v.Certificate); (err == nil) != c.Valid {
				t.Errorf("signature: %v", err)
			}
			for _, name := range []string{"Message", "MessageId", "Timestamp", "TopicArn", "Subject"} {
				if err := parseSNS(t, with(t, body, name, "other")).SignedBy(v.Certificate); err == nil && !(name == "Subject" && m.Type != hull.SNSNotification) {
					t.Errorf("with another %s the signature holds", name)
				}
			}
		})
	}
}

// with is a body with another value of a member; none when value is "".
func with(t testing.TB, body []byte, name, value string) []byte {
	t.Helper()
	var m map[string]string
	if err := json.Unmarshal(body, &m); err != nil {
		t.Fatal(err)
	}
	if m[name] = value; value == "" {
		delete(m, name)
	}
	changed, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return changed
}

// The vectors' messages are of 2016, when their certificate was not valid yet; when it
// is, they are too old.
func TestSNSVectorsAtTheirTime(t *testing.T) {
	noLeaks(t)
	v := readSNSVectors(t)
	for _, c := range v.Cases {
		m := parseSNS(t, readFixture(t, "vectors/"+c.File))
		for _, when := range []struct {
			now  time.Time
			code string
		}{
			{time.Date(2016, 9, 8, 11, 23, 0, 0, time.UTC), "INVALID_CERTIFICATE"},
			{time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC), "INVALID_SIGNATURE"},
		} {
			verifier := newVerifier(t, serve(v.Certificate), func(cfg *hull.VerifyConfig) { cfg.Now = func() time.Time { return when.now } })
			wantRefusal(t, verifier.VerifySNS(t.Context(), m, connectorID), when.code, 400)
		}
	}
}

func TestA16CertificateURLs(t *testing.T) {
	noLeaks(t)
	urls := readSNSVectors(t).URLs
	for _, more := range []string{
		"https://sns.us-east-1.amazonaws.com/x.pem?y", "https://sns.us-east-1.amazonaws.com/x.pem?", "https://sns.us-east-1.amazonaws.com/x.pem#y",
		"https://sns.us-east-1.amazonaws.com:443/x.pem", "https://u@sns.us-east-1.amazonaws.com/x.pem", "https://sns.us-east-1.amazonaws.com./x.pem",
		"https://sns.s3-us-west-2.amazonaws.com/x.pem", // anyone's bucket
		"https://sns.us-east-1.amazonaws.com.cn.evil.example/x.pem", "https://sns.us-east-1.amazonaws.com/" + strings.Repeat("x", 3000) + ".pem",
	} {
		urls = append(urls, struct {
			URL    string
			Accept bool
		}{more, false})
	}
	for _, c := range urls {
		t.Run(c.URL[:min(80, len(c.URL))], func(t *testing.T) {
			sns := hulltest.NewSNS(hulltest.ProcessKey(), connectorID, time.Now())
			sns.CertificateURL = c.URL
			m := parseSNS(t, sns.Sign(sns.Notification("ship:update", "{}", time.Now())))
			err := newVerifier(t, sns, nil).VerifySNS(t.Context(), m, connectorID)
			if c.Accept {
				if err != nil {
					t.Error(err)
				}
				return
			}
			wantRefusal(t, err, "UNTRUSTED_KEY_URL", 400)
			if asked := sns.Requests(); len(asked) > 0 {
				t.Errorf("asked %v", asked)
			}
		})
	}
}

func TestVerifySNS(t *testing.T) {
	noLeaks(t)
	stranger, err := hulltest.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	sns := hulltest.NewSNS(hulltest.ProcessKey(), connectorID, now)
	forger := hulltest.NewSNS(stranger, connectorID, now)
	type members = map[string]string
	sign := func(change func(members)) []byte {
		m := sns.Notification("ship:update", "{}", now)
		change(m)
		return sns.Sign(m)
	}
	set := func(name, value string) []byte { return sign(func(m members) { m[name] = value }) }
	unset := func(name string) []byte { return sign(func(m members) { delete(m, name) }) }
	at := func(age time.Duration) []byte { return set("Timestamp", now.Add(-age).UTC().Format(time.RFC3339Nano)) }
	other := "arn:aws:sns:us-east-1:999999999999:hull-ship-" + connectorID
	good := sign(func(members) {})
	for _, c := range []struct {
		name string
		body []byte
		code string // "": accepted
	}{
		{"signed, version 2", good, ""},
		{"signed, version 1", set("SignatureVersion", "1"), ""},
		{"without a subject", unset("Subject"), ""},
		{"a message with line breaks", set("Message", "a\nMessageId\nb\n"), ""},
		{"in China", set("TopicArn", "arn:aws-cn:sns:cn-north-1:"+hulltest.SNSAccount+":x-"+connectorID), ""},
		{"as old as may be", at(time.Hour - time.Minute), ""},
		{"a little early", at(-50 * time.Second), ""},
		{"not signed", with(t, good, "Signature", ""), "INVALID_SIGNATURE"},
		{"no base64", with(t, good, "Signature", "%"), "INVALID_SIGNATURE"},
		{"by another key", forger.Sign(forger.Notification("ship:update", "{}", now)), "INVALID_SIGNATURE"},
		{"another message", with(t, good, "Message", `{"x":1}`), "INVALID_SIGNATURE"},
		{"another subject", with(t, good, "Subject", "users_segment:delete"), "INVALID_SIGNATURE"},
		{"another hash", with(t, good, "SignatureVersion", "1"), "INVALID_SIGNATURE"},
		{"a version that there is not", set("SignatureVersion", "3"), "UNSUPPORTED_SIGNATURE_VERSION"},
		{"no version", unset("SignatureVersion"), "UNSUPPORTED_SIGNATURE_VERSION"},
		{"too old", at(time.Hour + time.Minute), "INVALID_SIGNATURE"},
		{"from the future", at(-70 * time.Second), "INVALID_SIGNATURE"},
		{"a time that is none", set("Timestamp", "yesterday"), "INVALID_SIGNATURE"},
		{"another connector's topic", set("TopicArn", "arn:aws:sns:us-east-1:123456789012:hull-ship-5c0fa1fbe6e53d5e4b1a2c3d"), "INVALID_SIGNATURE"},
		{"a topic that only ends alike", set("TopicArn", "arn:aws:sns:us-east-1:123456789012:hull-ship-x"+connectorID), "INVALID_SIGNATURE"},
		{"no topic", set("TopicArn", "arn:aws:sqs:us-east-1:123456789012:hull-ship-"+connectorID), "INVALID_SIGNATURE"},
		{"a topic of another account", set("TopicArn", other), "INVALID_SIGNATURE"},
		{"two topics", set("TopicArn", sns.TopicARN+"\nTopicArn\n"+other), "INVALID_NOTIFICATION"},
		{"no id", unset("MessageId"), "INVALID_NOTIFICATION"},
		{"another type", set("Type", "Dummy"), "INVALID_NOTIFICATION"},
		{"a confirmation without a token", set("Type", hull.SNSConfirmation), "INVALID_NOTIFICATION"},
	} {
		t.Run(c.name, func(t *testing.T) {
			verifier := newVerifier(t, sns, func(cfg *hull.VerifyConfig) { cfg.SNSAccounts = []string{hulltest.SNSAccount} })
			err := verifier.VerifySNS(t.Context(), parseSNS(t, c.body), connectorID)
			if c.code != "" {
				wantRefusal(t, err, c.code, 400)
			} else if err != nil {
				t.Error(err)
			}
		})
	}
	t.Run("of any account when none is named", func(t *testing.T) {
		if err := newVerifier(t, sns, nil).VerifySNS(t.Context(), parseSNS(t, set("TopicArn", other)), connectorID); err != nil {
			t.Error(err)
		}
	})
	t.Run("nothing is asked for when nothing is verified", func(t *testing.T) {
		verifier := newVerifier(t, noNetwork(t), func(cfg *hull.VerifyConfig) { cfg.VerifySignatures = false })
		if err := verifier.VerifySNS(t.Context(), parseSNS(t, with(t, good, "Signature", "")), connectorID); err != nil {
			t.Error(err)
		}
	})
}

func TestSNSCertificate(t *testing.T) {
	noLeaks(t)
	now := time.Now()
	key := hulltest.ProcessKey()
	sns := hulltest.NewSNS(key, connectorID, now)
	body := sns.Sign(sns.Notification("ship:update", "{}", now))
	t.Run("is fetched once, with a GET", func(t *testing.T) {
		verifier := newVerifier(t, sns, nil)
		for range 3 {
			if err := verifier.VerifySNS(t.Context(), parseSNS(t, body), connectorID); err != nil {
				t.Error(err)
			}
		}
		if asked := sns.Requests(); len(asked) != 1 || asked[0] != "GET "+sns.CertificateURL {
			t.Errorf("asked %v", asked)
		}
	})
	for _, c := range []struct {
		name   string
		answer roundTrip
		status int
	}{
		{"that has expired", hulltest.NewSNS(key, connectorID, now.Add(-25*time.Hour)).RoundTrip, 400},
		{"that is not valid yet", hulltest.NewSNS(key, connectorID, now.Add(25*time.Hour)).RoundTrip, 400},
		{"that is a bare key", serve(key.PublicPEM()), 400},
		{"that is none", serve("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"), 400},
		{"that is not there", status(404), 400},
		{"that is elsewhere", status(302), 400},
		{"whose host fails", status(500), 503},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := newVerifier(t, c.answer, nil).VerifySNS(t.Context(), parseSNS(t, body), connectorID)
			wantRefusal(t, err, "INVALID_CERTIFICATE", c.status)
		})
	}
}

func TestConfirmSNS(t *testing.T) {
	noLeaks(t)
	sns := hulltest.NewSNS(hulltest.ProcessKey(), connectorID, time.Now())
	confirmation := sns.Confirmation(time.Now())
	change := func(from, to string) *hull.SNSMessage {
		m := maps.Clone(confirmation)
		m["SubscribeURL"] = strings.Replace(m["SubscribeURL"], from, to, 1)
		return parseSNS(t, sns.Sign(m))
	}
	if err := newVerifier(t, sns, nil).ConfirmSNS(t.Context(), parseSNS(t, sns.Sign(confirmation))); err != nil {
		t.Error(err)
	}
	if asked := sns.Requests(); len(asked) != 1 || asked[0] != "GET "+confirmation["SubscribeURL"] {
		t.Errorf("asked %v", asked)
	}
	for _, c := range []struct{ name, from, to string }{
		{"http", "https://", "http://"},
		{"another host", "sns.us-east-1.amazonaws.com", "sns.us-east-1.amazonaws.com.evil.example"},
		{"our own network", "sns.us-east-1.amazonaws.com", "169.254.169.254"},
		{"a user", "https://", "https://u@"},
		{"a port", "amazonaws.com/", "amazonaws.com:8443/"},
		{"a path", "amazonaws.com/", "amazonaws.com/x"},
		{"another action", "ConfirmSubscription", "DeleteTopic"},
		{"two actions", "?", "?Action=DeleteTopic&"},
		{"another topic", connectorID, "5c0fa1fbe6e53d5e4b1a2c3d"},
		{"another token", "Token=", "Token=x"},
		{"no query", "?", "?x="},
		{"a query that is none", "?", "?%zz&"},
	} {
		t.Run("A16 a SubscribeURL with "+c.name, func(t *testing.T) {
			wantRefusal(t, newVerifier(t, noNetwork(t), nil).ConfirmSNS(t.Context(), change(c.from, c.to)), "INVALID_NOTIFICATION", 400)
		})
	}
	for code, want := range map[int]int{302: 400, 403: 400, 429: 503, 500: 503} {
		err := newVerifier(t, status(code), nil).ConfirmSNS(t.Context(), change("", ""))
		wantRefusal(t, err, map[int]string{400: "INVALID_NOTIFICATION", 503: "UNAVAILABLE"}[want], want)
	}
	unverified := newVerifier(t, noNetwork(t), func(cfg *hull.VerifyConfig) { cfg.VerifySignatures = false })
	wantRefusal(t, unverified.ConfirmSNS(t.Context(), change("", "")), "INVALID_SIGNATURE", 400)
}

func serve(text string) roundTrip {
	return func(*http.Request) (*http.Response, error) { return respond(http.StatusOK, text) }
}

func status(code int) roundTrip {
	return func(*http.Request) (*http.Response, error) { return respond(code, "") }
}

func TestSNSNotification(t *testing.T) {
	c := hull.Configuration{ID: connectorID, Organization: "acme.hullapp.io", Secret: "s"}
	user := string(readFixture(t, "sns/notification-user-report-v1.json"))
	for _, test := range []struct {
		name, body, channel string
		class               hull.ChannelClass
		users, skipped      int
		code                string
	}{
		{"a user", user, "user:update", hull.ClassUser, 1, 0, ""},
		{"nobody", envelope("user_report:update", `{"user":{}}`), "user:update", hull.ClassUser, 0, 1, ""},
		{"settings, which are asked for", envelope("ship:update", "no JSON"), "ship:update", hull.ClassConnector, 0, 0, ""},
		{"a segment", envelope("users_segment:update", `{"id":"s","name":"S"}`), "users_segment:update", hull.ClassSegment, 0, 0, ""},
		{"a segment's end", envelope("users_segment:delete", `{"id":"s"}`), "users_segment:delete", hull.ClassSegmentDelete, 0, 0, ""},
		{"an account", envelope("account_report:update", "{}"), "account:update", hull.ClassUnsupported, 0, 0, ""},
		{"what nobody knows", envelope("x", "no JSON"), "x", hull.ClassUnsupported, 0, 0, ""},
		{"no subject", string(readFixture(t, "sns/notification-no-subject.json")), "", hull.ClassUnsupported, 0, 0, ""},
		{"a user that is no JSON", envelope("user_report:update", "x"), "", "", 0, 0, "INVALID_JSON"},
		{"a list", envelope("user_report:update", "[]"), "", "", 0, 0, "INVALID_NOTIFICATION"},
	} {
		t.Run(test.name, func(t *testing.T) {
			n, err := parseSNS(t, []byte(test.body)).Notification(c, 0)
			if test.code != "" {
				wantRefusal(t, err, test.code, 400)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if n.Channel != test.channel || hull.ClassifyChannel(n.Channel) != test.class || n.Configuration != c ||
				len(n.Messages) != test.users || len(n.Skipped) != test.skipped || n.Count != 1 {
				t.Errorf("got %+v", n)
			}
		})
	}
}

func envelope(subject, message string) string {
	text, _ := json.Marshal(map[string]string{"Type": hull.SNSNotification, "Subject": subject, "Message": message})
	return string(text)
}

func TestParseSNS(t *testing.T) {
	for body, code := range map[string]string{
		"":                                   "MISSING_NOTIFICATION",
		"null":                               "MISSING_NOTIFICATION",
		"x":                                  "INVALID_JSON",
		"[]":                                 "INVALID_NOTIFICATION",
		`{"Type":"Notification"}`:            "INVALID_NOTIFICATION",
		`{"Message":""}`:                     "INVALID_NOTIFICATION",
		`{"Type":"","Message":"{}"}`:         "INVALID_NOTIFICATION",
		`{"Type":"x","Message":{}}`:          "INVALID_NOTIFICATION",
		`{"type":"x","message":"{}"}`:        "INVALID_NOTIFICATION",
		`{"Type":"x","Message":"{}"} {}`:     "INVALID_JSON",
		`{"Type":"x","Message":"","Type":1}`: "INVALID_NOTIFICATION",
	} {
		_, err := hull.ParseSNS([]byte(body), 0)
		wantRefusal(t, err, code, 400)
	}
}

// What is read of a message is what encoding/json reads, and no message makes us fall.
func FuzzParseSNS(f *testing.F) {
	for _, file := range []string{"notification-no-subject", "notification-user-report-v2", "subscription-confirmation"} {
		f.Add(readFixture(f, "sns/"+file+".json"))
	}
	f.Add([]byte(envelope("user_report:update", "\u2028\n{}")))
	f.Add([]byte(`{"Type":"\ud800","Message":"\u0000","Type":null}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		m, err := hull.ParseSNS(body, 0)
		if err != nil {
			return
		}
		m.Notification(hull.Configuration{}, 0)
		m.SignedBy("")
		var want map[string]any
		if !utf8.Valid(body) || json.Unmarshal(body, &want) != nil {
			return
		}
		if m.Type != want["Type"] || m.Message != want["Message"] {
			t.Errorf("got %q %q, want %q %q", m.Type, m.Message, want["Type"], want["Message"])
		}
	})
}
