package doctor

import (
	"crypto/x509"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"strings"
	"time"
)

// Config says what to look at.
type Config struct {
	// URL is the address that pages use, http(s)://host[:port][/path].
	URL string
	// Connector is the connector's id. "": what needs a token is left out.
	Connector string
	// Origin is the page's, which the connector has to allow. Default that of URL.
	Origin string
	// Page is the URL of a page that has the snippet. "": none is looked at.
	Page string
	// AnonymousID is a visitor's whom Hullbeam knows, so that there is a state to resume
	// after. Default one that nobody has.
	AnonymousID string
	// IdentityToken proves who the visitor is, where unsigned claims do not count.
	IdentityToken string
	// AdminKey is an operators' key for all connectors. "": what needs one is left out.
	AdminKey string
	// AdminURL is where operators' routes are. Default URL.
	AdminURL string
	// Idle is how long the stream is held, to see that nothing cuts it. 0: two heartbeats.
	Idle time.Duration
	// Patience bounds each answer, and what a stream is to tell at once. 100ms to 1m;
	// default 5s.
	Patience time.Duration
	// Timeout bounds all together. Twice Patience to 24h; default 2m.
	Timeout time.Duration
	// RootCAs are the authorities that are trusted. nil: the system's.
	RootCAs *x509.CertPool
}

// DefaultConfig is what holds when nothing is said.
func DefaultConfig() Config {
	return Config{AnonymousID: "hullbeam-doctor-0001", Patience: 5 * time.Second, Timeout: 2 * time.Minute}
}

// Validate names the first value that is out of its range, and completes the others.
func (c *Config) Validate() error {
	for name, address := range map[string]*string{"URL": &c.URL, "--page": &c.Page, "--admin-url": &c.AdminURL, "--origin": &c.Origin} {
		if *address == "" && name != "URL" {
			continue
		}
		u, err := url.Parse(*address)
		if err != nil || u.Host == "" || u.User != nil || u.Scheme != "http" && u.Scheme != "https" {
			return fmt.Errorf("%s: it is no address such as https://beam.example.com", name) // it may hold a secret
		}
		if name == "--origin" {
			*address = originOf(u)
		}
	}
	base, err := url.Parse(c.URL)
	if err != nil {
		return err
	}
	if base.RawQuery != "" || base.Fragment != "" {
		return errors.New("URL: it has a query or a fragment")
	}
	c.URL = strings.TrimRight(c.URL, "/")
	if c.Origin == "" {
		c.Origin = originOf(base)
	}
	if c.AdminURL == "" {
		c.AdminURL = c.URL
	}
	c.AdminURL = strings.TrimRight(c.AdminURL, "/")
	if admin, _ := url.Parse(c.AdminURL); c.AdminKey != "" && admin.Scheme == "http" && !isNear(admin.Hostname()) {
		return errors.New("--admin-key: it is not sent in clear text to a public address: name one with https")
	}
	return c.validateTimes()
}

// isNear tells whether a host is this machine or in a private network, by its name or address.
func isNear(host string) bool {
	if ip, err := netip.ParseAddr(host); err == nil {
		return ip.IsLoopback() || ip.IsPrivate() || ip.IsLinkLocalUnicast()
	}
	return !strings.Contains(host, ".") || strings.HasSuffix(host, ".localhost") || strings.HasSuffix(host, ".internal") || strings.HasSuffix(host, ".local")
}

func (c *Config) validateTimes() error {
	switch {
	case c.Patience < 100*time.Millisecond || c.Patience > time.Minute:
		return fmt.Errorf("--patience: %v is out of range: 100ms to 1m", c.Patience)
	case c.Timeout < 2*c.Patience || c.Timeout > 24*time.Hour:
		return fmt.Errorf("--timeout: %v is out of range: twice --patience (%v) to 24h", c.Timeout, c.Patience)
	case c.Idle < 0 || c.Idle >= c.Timeout:
		return fmt.Errorf("--idle: %v is out of range: 0, or less than --timeout (%v)", c.Idle, c.Timeout)
	}
	return nil
}

// originOf is what a browser says of itself on a page of u.
func originOf(u *url.URL) string {
	host := strings.ToLower(u.Host)
	for scheme, port := range defaultPorts {
		if u.Scheme == scheme {
			host = strings.TrimSuffix(host, ":"+port)
		}
	}
	return u.Scheme + "://" + host
}

var defaultPorts = map[string]string{"http": "80", "https": "443", "ws": "80", "wss": "443"}
