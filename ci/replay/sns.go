package main

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"hullbeam/hull"
	"hullbeam/hull/hulltest"
)

// snsVectors are what the fixtures say of Amazon SNS.
type snsVectors struct {
	Certificate string            `json:"certificate_pem"`
	Headers     map[string]string `json:"request_headers"`
	URLs        []struct {
		URL    string
		Accept bool
	} `json:"signing_cert_urls"`
}

// sns replays the messages of Amazon SNS. Their own signatures are good, but they were
// sent in 2016 and the certificate is of 2026: no clock makes both of them good, so as
// they are they must be refused. Signed anew they must be taken.
func (r *replay) sns() error {
	var vectors snsVectors
	if err := r.decode("vectors/sns.json", &vectors); err != nil {
		return err
	}
	names, err := r.names("sns", ".json")
	if err != nil {
		return err
	}
	for _, name := range names {
		fixture := "sns/" + name + ".json"
		body, err := r.read(fixture)
		if err != nil {
			return err
		}
		var m map[string]string
		if err := json.Unmarshal(body, &m); err != nil {
			return err
		}
		then, err := time.Parse(time.RFC3339, m["Timestamp"])
		if err != nil {
			return err
		}
		taken := "200 ok"
		if m["Type"] == hull.SNSConfirmation {
			taken = "200 subscribed"
		}
		kept := amazon{vectors.Certificate}
		sns := hulltest.NewSNS(hulltest.ProcessKey(), ship, time.Now())
		for _, c := range []struct {
			sent, want string
			o          options
			body       []byte
		}{
			{"as it is, in 2016", "400 INVALID_CERTIFICATE", options{now: then.Add(5 * time.Second), amazon: kept}, body},
			{"as it is, today", "400 INVALID_SIGNATURE", options{amazon: kept}, body},
			{"signed anew", taken, options{amazon: sns}, sns.Sign(renewed(m, sns.CertificateURL))},
		} {
			if err := r.sendSNS(fixture, c.sent, c.want, vectors, c.o, m["Type"], c.body); err != nil {
				return err
			}
		}
	}
	return r.certificateURLs(vectors)
}

// renewed is a message as if it were sent now.
func renewed(m map[string]string, certificateURL string) map[string]string {
	again := map[string]string{"Timestamp": time.Now().UTC().Format("2006-01-02T15:04:05.000Z"), "SigningCertURL": certificateURL}
	for name, value := range m {
		if _, ok := again[name]; !ok {
			again[name] = value
		}
	}
	return again
}

// certificateURLs replays addresses of certificates, each in a message that is signed
// with the one that is there.
func (r *replay) certificateURLs(vectors snsVectors) error {
	var m map[string]string
	if err := r.decode("sns/notification-user-report-v2.json", &m); err != nil {
		return err
	}
	for _, u := range vectors.URLs {
		want := "400 UNTRUSTED_KEY_URL"
		if u.Accept {
			want = "200 ok"
		}
		sns := hulltest.NewSNS(hulltest.ProcessKey(), ship, time.Now())
		sns.CertificateURL = u.URL
		body := sns.Sign(renewed(m, u.URL))
		if err := r.sendSNS("vectors/sns.json", "certificate at "+strings.TrimSuffix(u.URL, "SimpleNotificationService-0123456789abcdef0123456789abcdef.pem"),
			want, vectors, options{amazon: sns}, m["Type"], body); err != nil {
			return err
		}
	}
	return nil
}

func (r *replay) sendSNS(fixture, sent, want string, vectors snsVectors, o options, kind string, body []byte) error {
	header := http.Header{}
	for name, value := range vectors.Headers {
		header.Set(name, value)
	}
	header.Set("X-Amz-Sns-Message-Type", kind)
	return with(o, func(s *server) error {
		answered, err := s.post("/smart-notifier?"+query(), body, header)
		r.add(fixture, sent, want, answered.said())
		return err
	})
}

// amazon serves the fixtures' certificate wherever it is asked for one.
type amazon struct{ certificate string }

func (a amazon) RoundTrip(r *http.Request) (*http.Response, error) {
	body := ""
	if strings.HasSuffix(r.URL.Path, ".pem") {
		body = a.certificate
	}
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body)), Request: r}, nil
}

// query is how Hull says for which connector a request is.
func query() string {
	return url.Values{"ship": {ship}, "organization": {org}, "secret": {secret}}.Encode()
}
