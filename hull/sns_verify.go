package hull

import (
	"context"
	"crypto"
	"crypto/rsa"
	_ "crypto/sha1" // that of signature version 1
	_ "crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"
)

var (
	// snsHost is where Amazon SNS is in a region. The published pattern has any label
	// of three characters or more in place of the region; but sns.s3-us-west-2.amazonaws.com
	// is a bucket of files, of whoever was first to call one "sns".
	snsHost = regexp.MustCompile(`^sns\.[a-z]{2,}(-[a-z]+)+-[0-9]+\.amazonaws\.com(\.cn)?$`)

	// topicARN has the account and the name of a topic.
	topicARN   = regexp.MustCompile(`^arn:aws(?:-[a-z]+)*:sns:[a-z0-9-]+:([0-9]{12}):([A-Za-z0-9_-]{1,256})$`)
	awsAccount = regexp.MustCompile(`^[0-9]{12}$`)
)

// VerifySNS checks that Amazon SNS has sent a message, lately, from a topic of this
// connector. Unlike the smart-notifier's, the signature covers the message. But anyone
// may have a topic of any name: that it is Hull's says only hull.sns_accounts, or a
// secret that came beside, as KnowsSNS tells. VerifySNS may fetch a certificate, after everything else has
// been checked, and then takes up to five seconds, less if ctx ends.
//
// Errors are *NotificationError. When signatures are not verified there are none.
func (v *Verifier) VerifySNS(ctx context.Context, m *SNSMessage, connectorID string) error {
	if !v.cfg.VerifySignatures {
		return nil
	}
	s, err := m.signature()
	if err != nil {
		return err
	}
	if err := v.checkTopic(m.texts["TopicArn"], connectorID); err != nil {
		return err
	}
	if err := v.checkTimestamp(m.texts["Timestamp"]); err != nil {
		return err
	}
	certificate, err := v.certificates.key(ctx, s.certificateURL, "", keyLife)
	if err != nil {
		return invalidKey(err)
	}
	if now := v.cfg.Now(); now.Before(certificate.NotBefore) || now.After(certificate.NotAfter) {
		return ErrInvalidCertificate.Because("Invalid certificate: it is not valid now")
	}
	if err := s.verify(certificate); err != nil {
		return err
	}
	v.certificates.verified(s.certificateURL)
	return nil
}

// KnowsSNS tells whether a message that VerifySNS takes is Hull's even without the
// connector's secret: its account is one of hull.sns_accounts, or nothing is verified.
func (v *Verifier) KnowsSNS() bool {
	return !v.cfg.VerifySignatures || len(v.cfg.SNSAccounts) > 0
}

// checkTopic checks whose topic an ARN names: it ends with the connector's id
// (docs/hull-protocol.md 5.1).
func (v *Verifier) checkTopic(arn, connectorID string) error {
	parts := topicARN.FindStringSubmatch(arn)
	if parts == nil {
		return invalidSignature("TopicArn is not a topic's")
	}
	account, name := parts[1], parts[2]
	switch {
	case name[strings.LastIndexByte(name, '-')+1:] != connectorID:
		return invalidSignature("the topic is not the connector's")
	case len(v.cfg.SNSAccounts) > 0 && !slices.Contains(v.cfg.SNSAccounts, account):
		return invalidSignature("the topic is of an account that is not accepted")
	}
	return nil
}

func (v *Verifier) checkTimestamp(text string) error {
	sent, err := time.Parse(time.RFC3339, text)
	switch age := v.cfg.Now().Sub(sent); {
	case err != nil:
		return invalidSignature("unreadable Timestamp")
	case age > v.cfg.SignatureMaxAge:
		return invalidSignature("too old")
	case age < -clockSkew:
		return invalidSignature("Timestamp is in the future")
	}
	return nil
}

// snsSignature is that of a message: taken out, not verified.
type snsSignature struct {
	signed         string
	hash           crypto.Hash
	sum            []byte
	certificateURL string
}

// signature takes the signature out of a message that has all it should have.
func (m *SNSMessage) signature() (s snsSignature, err error) {
	needed := []string{"MessageId", "Timestamp", "TopicArn", "Type"}
	switch m.Type {
	case SNSNotification:
	case SNSConfirmation, SNSUnsubscribing:
		needed = append(needed, "Token", "SubscribeURL")
	default:
		return s, ErrInvalidNotification.Because("Not a message of Amazon SNS: there is no such Type")
	}
	// A line break in any value but Message's, which stands first, could make of one
	// signed string another message.
	for _, name := range append(needed, "Subject") {
		if value := m.texts[name]; value == "" && name != "Subject" || strings.ContainsAny(value, "\r\n") {
			return s, ErrInvalidNotification.Because("Not a message of Amazon SNS: " + name)
		}
	}
	return m.readSignature()
}

func (m *SNSMessage) readSignature() (s snsSignature, err error) {
	if m.texts["Signature"] == "" {
		return s, invalidSignature("there is none")
	}
	switch m.texts["SignatureVersion"] {
	case "1":
		s.hash = crypto.SHA1
	case "2":
		s.hash = crypto.SHA256
	default:
		return s, ErrUnsupportedSignatureVersion
	}
	if s.certificateURL = m.texts["SigningCertURL"]; !trustedCertificateURL(s.certificateURL) {
		return s, ErrUntrustedKeyURL.Because("Untrusted SigningCertURL")
	}
	if s.sum, err = base64.StdEncoding.Strict().DecodeString(m.texts["Signature"]); err != nil {
		return s, invalidSignature("not base64")
	}
	s.signed = m.stringToSign()
	return s, nil
}

func (s snsSignature) verify(certificate *x509.Certificate) error {
	key := certificate.PublicKey.(*rsa.PublicKey) // parseCertificate takes no other
	h := s.hash.New()
	h.Write([]byte(s.signed))
	if rsa.VerifyPKCS1v15(key, s.hash, h.Sum(nil), s.sum) != nil {
		return invalidSignature("not by the certificate of its URL")
	}
	return nil
}

// trustedCertificateURL reports whether a certificate may be fetched from a URL that a
// message names.
func trustedCertificateURL(raw string) bool {
	u, ok := parseSNSURL(raw)
	return ok && strings.HasSuffix(u.Path, ".pem") && u.RawQuery == "" && !u.ForceQuery
}

// parseSNSURL reads a URL of Amazon SNS itself: https, at the usual port.
func parseSNSURL(raw string) (u *url.URL, ok bool) {
	if len(raw) > keyURLLength || strings.Contains(raw, "#") {
		return nil, false
	}
	u, err := url.Parse(raw)
	return u, err == nil && u.Scheme == "https" && u.User == nil && snsHost.MatchString(u.Host)
}

// parseCertificate reads a certificate in PEM with an RSA key of 2048 bits or more.
// That it is the one of Amazon SNS, the place says where it was found.
func parseCertificate(text []byte) (*x509.Certificate, error) {
	block, _ := pem.Decode(text)
	if block == nil || block.Type != "CERTIFICATE" {
		return nil, errors.New("no PEM block CERTIFICATE")
	}
	certificate, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, errors.New("not an X.509 certificate")
	}
	if _, err := checkRSA(certificate.PublicKey); err != nil {
		return nil, err
	}
	return certificate, nil
}
