package doctor

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/http"
	"strings"
	"time"
)

// arrival is what came of asking the stream's route without a token, which Hullbeam refuses
// with a problem.
type arrival struct {
	answer
	verdict verdict
}

func (x *examination) streamURL() string { return x.cfg.URL + "/api/v1/stream" }

func (x *examination) arrive(ctx context.Context) arrival {
	began := time.Now()
	a := x.ask(ctx, request{url: x.streamURL()})
	code, _ := a.problem()
	v := ok("Hullbeam answers, in %v", time.Since(began).Round(time.Millisecond))
	switch {
	case a.err != nil:
		v = x.unreached(a.err)
	case a.status/100 == 3:
		v = fail("hullbeam doctor with the address that it redirects to, which pages have to name, too",
			"it redirects to %s", quote(withoutQuery(a.header.Get("Location"))))
	case a.status == http.StatusBadGateway || a.status == http.StatusGatewayTimeout || a.status == http.StatusServiceUnavailable && code == "":
		v = fail("nginx: proxy_pass http://ADDRESS; the address of Hullbeam's listen, where it has to run", "the proxy does not reach Hullbeam: %v", a)
	case code == "forbidden":
		v = fail("the variable SECRET=… ('hullbeam key --secret' makes one), and public_url", "it is in development mode, which answers nobody but this machine: %v", a)
	case code == "":
		v = fail("nginx: location / { proxy_pass http://ADDRESS; } with the address of Hullbeam's listen", "what answers /api/v1/stream is not Hullbeam: %v", a)
	}
	return arrival{a, v}
}

// unreached says why nothing came.
func (x *examination) unreached(err error) verdict {
	if isOfCertificate(err) {
		return unchecked("the certificate is not believed")
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return fail("config.yaml: listen: an address that is reached from here; firewall and proxy", "nothing comes within %v", x.cfg.Patience)
	}
	return fail("config.yaml: listen: an address that is reached from here; firewall, DNS and proxy", "%s", quote(err.Error()))
}

func (x *examination) checkReach(context.Context) verdict { return x.arrival().verdict }

func isOfCertificate(err error) bool {
	_, wrong := errors.AsType[*tls.CertificateVerificationError](err)
	return wrong
}

// soon is how long before its end a certificate has to be renewed.
const soon = 14 * 24 * time.Hour

func (x *examination) checkCertificate(context.Context) verdict {
	a := x.arrival()
	if wrong, ok := errors.AsType[*tls.CertificateVerificationError](a.err); ok {
		return disbelieved(wrong)
	}
	switch {
	case x.base.Scheme == "http" && isLoopback(x.base.Hostname()):
		return unchecked("http://, on this machine")
	case x.base.Scheme == "http":
		return fail("nginx: listen 443 ssl http2; with ssl_certificate and ssl_certificate_key (or config.yaml: tls.cert_file)", "it is not encrypted: http://")
	case a.tls == nil:
		return unchecked("the server is not reached")
	}
	left := time.Until(a.tls.PeerCertificates[0].NotAfter)
	if left < soon {
		return warn(renewal, "the certificate expires in %v", left.Round(time.Hour))
	}
	return ok("the certificate is believed, and is good for %d days", left/(24*time.Hour))
}

const renewal = "renew it: the file of nginx: ssl_certificate (or config.yaml: tls.cert_file), and have nginx -s reload read it"

// disbelieved says what is wrong with a certificate.
func disbelieved(wrong *tls.CertificateVerificationError) verdict {
	invalid, isInvalid := errors.AsType[x509.CertificateInvalidError](wrong.Err)
	_, otherName := errors.AsType[x509.HostnameError](wrong.Err)
	chain := wrong.UnverifiedCertificates
	switch {
	case isInvalid && invalid.Reason == x509.Expired:
		return fail(renewal, "the certificate has expired, or is not valid yet")
	case otherName:
		return fail("nginx: ssl_certificate (or config.yaml: tls.cert_file): one for this name", "the certificate is for another name: %s", quote(wrong.Err.Error()))
	case len(chain) == 1 && chain[0].Issuer.String() != chain[0].Subject.String():
		return fail("nginx: ssl_certificate: the file with the whole chain (fullchain.pem), the server's own first (or config.yaml: tls.cert_file)",
			"the certificate comes alone, without those between it and an authority: %s", quote(wrong.Err.Error()))
	}
	return fail("nginx: ssl_certificate: one of an authority that browsers believe (or config.yaml: tls.cert_file)", "%s", quote(wrong.Err.Error()))
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

func (x *examination) checkHTTP2(context.Context) verdict {
	a := x.arrival()
	switch {
	case a.tls == nil:
		return unchecked("http://: browsers speak HTTP/2 over TLS alone")
	case a.tls.NegotiatedProtocol != "h2":
		return warn("nginx: listen 443 ssl http2; (since 1.25.1: http2 on;)", "%s alone: HTTP/2 is not offered", a.proto)
	}
	return ok("HTTP/2 is offered")
}

// skew is how far clocks may differ: half of what proofs of identity forgive.
const skew = 30 * time.Second

func (x *examination) checkClock(context.Context) verdict {
	a := x.arrival()
	far, exact, err := apart(a.answer, a.header.Get("Date"), http.TimeFormat)
	what := "the server's clock"
	if x.cfg.AdminKey != "" && x.diagnosis().failed == "" { // the node's own, which a proxy does not write
		if node, _, err2 := apart(x.diagnosis().answer, x.diagnosis().Time, time.RFC3339); err2 == nil && node.Abs() > skew {
			far, err, what = node, nil, "the node's clock"
		}
	}
	if given := x.expiry(); far.Abs() <= skew && !given.IsZero() && time.Until(given) < skew {
		far, err, what = time.Until(given), nil, "a token has expired when it comes: the node's clock, at least,"
	}
	switch {
	case err != nil:
		return unchecked("the server does not say what time it is (Date)")
	case far.Abs() > skew:
		return fail("on both machines: timedatectl set-ntp true (or chrony), and see which of them is wrong", "%s differs from this machine's by %v", what, far.Round(time.Second))
	}
	return ok("the clocks agree within %v", max(far.Abs(), exact).Round(time.Second))
}

// apart is how far a clock that was read while an answer was made is ahead of ours, and how
// exactly that can be said.
func apart(a answer, text, layout string) (ahead, exact time.Duration, err error) {
	at, err := time.Parse(layout, text)
	if err != nil {
		return 0, 0, err
	}
	took := a.came.Sub(a.sent)
	return at.Sub(a.sent.Add(took / 2)), took/2 + time.Second, nil
}

// expiry is when the token ends, zero when there is none.
func (x *examination) expiry() time.Time {
	if x.cfg.Connector == "" || !x.token().given() {
		return time.Time{}
	}
	at, _ := time.Parse(time.RFC3339, x.token().ExpiresAt)
	return at
}

// withoutQuery is an address as it may be shown.
func withoutQuery(address string) string {
	address, _, _ = strings.Cut(address, "?")
	return address
}
