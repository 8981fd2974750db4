package hulltest

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math/big"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"hullbeam/hull"
)

// SNSAccount is the AWS account of pretend topics.
const SNSAccount = "123456789012"

const snsURL = "https://sns.us-east-1.amazonaws.com/"

// SNS is a pretend Amazon SNS with one topic, that of a connector: it signs messages,
// and is a http.RoundTripper that serves the certificate and confirms subscriptions. It
// may be used by many goroutines.
type SNS struct {
	TopicARN string
	// CertificateURL is where the certificate is.
	CertificateURL string

	key         *rsa.PrivateKey
	certificate []byte

	mu       sync.Mutex
	requests []string
	status   int
}

// NewSNS returns one whose certificate, of key, is valid for a day before and after now.
func NewSNS(key *Key, connectorID string, now time.Time) *SNS {
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "sns.amazonaws.com"},
		NotBefore: now.Add(-24 * time.Hour), NotAfter: now.Add(24 * time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.private.PublicKey, key.private)
	return &SNS{
		TopicARN:       "arn:aws:sns:us-east-1:" + SNSAccount + ":hull-ship-" + connectorID,
		CertificateURL: snsURL + "SimpleNotificationService-0123456789abcdef0123456789abcdef.pem",
		key:            key.private,
		certificate:    []byte(encodePEM("CERTIFICATE", der, err)),
		status:         http.StatusOK,
	}
}

// Notification is a message with a new id, sent now.
func (s *SNS) Notification(subject, message string, now time.Time) map[string]string {
	m := s.message(hull.SNSNotification, message, now)
	m["Subject"] = subject
	return m
}

// Confirmation is the message that asks to confirm the subscription of the topic.
func (s *SNS) Confirmation(now time.Time) map[string]string {
	m := s.message(hull.SNSConfirmation, "You have chosen to subscribe to the topic.\nTo confirm, visit the SubscribeURL.", now)
	m["Token"] = rand.Text()
	m["SubscribeURL"] = snsURL + "?Action=ConfirmSubscription&TopicArn=" + url.QueryEscape(s.TopicARN) + "&Token=" + m["Token"]
	return m
}

func (s *SNS) message(kind, message string, now time.Time) map[string]string {
	return map[string]string{
		"Type": kind, "MessageId": rand.Text(), "TopicArn": s.TopicARN, "Message": message,
		"Timestamp": now.UTC().Format("2006-01-02T15:04:05.000Z"), "SignatureVersion": "2", "SigningCertURL": s.CertificateURL,
	}
}

// Sign returns the body of a message, signed as its SignatureVersion says. What is not
// to be signed is not in the way.
func (s *SNS) Sign(message map[string]string) []byte {
	var signed strings.Builder
	for _, name := range slices.Sorted(maps.Keys(message)) {
		if slices.Contains([]string{"Message", "MessageId", "Subject", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"}, name) {
			fmt.Fprintf(&signed, "%s\n%s\n", name, message[name])
		}
	}
	hash, sum := crypto.SHA256, sha256.New()
	if message["SignatureVersion"] == "1" {
		hash, sum = crypto.SHA1, sha1.New()
	}
	io.WriteString(sum, signed.String())
	signature, err := rsa.SignPKCS1v15(rand.Reader, s.key, hash, sum.Sum(nil))
	if err != nil {
		panic(err) // a good key signs
	}
	message = maps.Clone(message)
	message["Signature"] = base64.StdEncoding.EncodeToString(signature)
	body, _ := json.Marshal(message) // texts always encode
	return body
}

// RoundTrip answers for Amazon, and for everybody else with 404.
func (s *SNS) RoundTrip(r *http.Request) (*http.Response, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests = append(s.requests, r.Method+" "+r.URL.String())
	status, body := http.StatusNotFound, ""
	switch {
	case r.URL.String() == s.CertificateURL:
		status, body = s.status, string(s.certificate)
	case r.URL.Host == "sns.us-east-1.amazonaws.com" && r.URL.Query().Get("Action") == "ConfirmSubscription":
		status = s.status
	}
	return &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body)), Request: r}, nil
}

// Answer has it answer with this status from now on.
func (s *SNS) Answer(status int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.status = status
}

// Requests are those so far, method and URL of each.
func (s *SNS) Requests() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.requests)
}
