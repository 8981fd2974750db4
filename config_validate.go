package main

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"

	"hullbeam/api"
	"hullbeam/hull"
)

// Validate names the first key whose value is out of its range.
func (c Config) Validate() error {
	for _, check := range []func() error{
		c.validateAddresses, c.validateSecrets, c.validateDevelopment, c.validateTLS, c.Admin.Validate, c.Log.validate,
		c.Store.Validate, c.Redis.RedisConfig.Validate, c.Redis.Cluster.Validate,
		c.Hull.Hull.Validate, c.validateOrganizations,
		c.Hull.VerifyConfig.Validate, c.Hull.ClientConfig.Validate, c.Hull.FirehoseConfig.Validate,
		c.Identity.Validate, c.Stream.Validate, c.History.HistoryConfig.Validate, c.History.History.Validate, c.Visitors.Validate, c.Offers.Validate, c.Limits.Validate, c.Tracing.Validate, c.validateConnectors,
	} {
		if err := check(); err != nil {
			return err
		}
	}
	return nil
}

func (c Config) validateAddresses() error {
	for _, a := range []struct{ key, value string }{{"listen", c.Listen}, {"admin_listen", c.AdminListen}} {
		if a.value == "" && a.key == "admin_listen" {
			continue
		}
		if _, port, err := net.SplitHostPort(a.value); err != nil || !isPort(port) {
			return fmt.Errorf("%s: %q is out of range: host:port", a.key, a.value)
		}
	}
	if c.PublicURL != "" {
		u, err := url.Parse(c.PublicURL)
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || strings.Trim(u.Path, "/") != "" {
			return fmt.Errorf("public_url: %q is out of range: http(s)://host[:port] without a path", c.PublicURL)
		}
	}
	for _, proxy := range c.TrustedProxies {
		_, notAddress := netip.ParseAddr(proxy)
		if _, notNetwork := netip.ParsePrefix(proxy); notAddress != nil && notNetwork != nil {
			return fmt.Errorf("trusted_proxies: %q is out of range: addresses such as 10.0.0.1 and networks such as 10.0.0.0/8", proxy)
		}
	}
	return nil
}

func isPort(text string) bool {
	n, err := strconv.Atoi(text)
	return err == nil && n >= 0 && n <= 65535
}

func (c Config) validateSecrets() error {
	for _, secret := range c.Secret {
		if len(secret) < 32 {
			return errors.New("secret: one is out of range: at least 32 characters; 'hullbeam key --secret' makes one")
		}
	}
	return api.ValidateKeys(c.AdminKey, c.OperatorKeys)
}

// validateDevelopment keeps development mode off every network: nobody shall
// run it in production by forgetting the secret.
func (c Config) validateDevelopment() error {
	if !c.Development() {
		return nil
	}
	for _, setting := range []struct {
		key string
		set bool
	}{
		{"public_url", c.PublicURL != ""},
		{"redis_url", c.RedisURL != ""},
		{"admin_listen", c.AdminListen != ""},
		{"trusted_proxies", len(c.TrustedProxies) > 0},
		{"tls.cert_file", c.TLS.CertFile != ""},
		{"tls.admin_cert_file", c.TLS.AdminCertFile != ""},
	} {
		if setting.set {
			return fmt.Errorf("%s: without a secret Hullbeam is in development mode, for this machine alone: %s", setting.key, setSecret)
		}
	}
	host, _, _ := net.SplitHostPort(c.Listen)
	if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return fmt.Errorf("listen: %q is out of range in development mode: a loopback address; set secret to listen elsewhere", c.Listen)
	}
	return nil
}

func (l LogConfig) validate() error {
	var level slog.Level
	if err := level.UnmarshalText([]byte(l.Level)); err != nil {
		return fmt.Errorf("log.level: %q is out of range: debug, info, warn or error", l.Level)
	}
	if l.Format != "text" && l.Format != "json" {
		return fmt.Errorf("log.format: %q is out of range: text or json", l.Format)
	}
	return nil
}

// validateOrganizations keeps mocks of Hull, whose organizations have a port, out of
// production.
func (c Config) validateOrganizations() error {
	for _, organization := range c.Hull.Organizations {
		if strings.Contains(organization, ":") && c.Hull.VerifySignatures {
			return fmt.Errorf("hull.organizations: %q is out of range: one with a port needs hull.verify_signatures: false", organization)
		}
	}
	return nil
}

func (c Config) validateConnectors() error {
	seen := map[string]bool{}
	for i, connector := range c.Connectors {
		if !api.ValidConnectorID(connector.ID) {
			return fmt.Errorf("connectors[%d].id: %q is out of range: 1 to 64 of A-Za-z0-9_-", i, connector.ID)
		}
		if o := connector.Organization; o != "" && !hull.HostUnder(o, []string{o}) {
			return fmt.Errorf("connectors[%d].organization: %q is out of range: a host name such as acme.hullapp.io", i, o)
		}
		if seen[connector.ID] {
			return fmt.Errorf("connectors[%d].id: %q is there twice", i, connector.ID)
		}
		seen[connector.ID] = true
	}
	return nil
}
