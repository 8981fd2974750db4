package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// TLSConfig is for those who have no proxy in front. Without files Hullbeam speaks plain
// HTTP.
type TLSConfig struct {
	// CertFile is the PEM file with the certificate, and those between it and the
	// authority's behind it. Default "".
	CertFile string `mapstructure:"cert_file"`
	// KeyFile is the PEM file with the certificate's key. Default "".
	KeyFile string `mapstructure:"key_file"`
	// AdminCertFile is that of admin_listen. Default "": CertFile.
	AdminCertFile string `mapstructure:"admin_cert_file"`
	// AdminKeyFile is the key of AdminCertFile. Default "".
	AdminKeyFile string `mapstructure:"admin_key_file"`
}

// Validate refuses a certificate without its key, and a key without a certificate.
func (c TLSConfig) Validate() error {
	for _, pair := range []struct{ cert, key, certFile, keyFile string }{
		{"tls.cert_file", "tls.key_file", c.CertFile, c.KeyFile},
		{"tls.admin_cert_file", "tls.admin_key_file", c.AdminCertFile, c.AdminKeyFile},
	} {
		if (pair.certFile == "") != (pair.keyFile == "") {
			return fmt.Errorf("%s: it needs %s, and the other way round", pair.cert, pair.key)
		}
	}
	return nil
}

// validateTLS keeps the address that pages are told to what is served.
func (c Config) validateTLS() error {
	if err := c.TLS.Validate(); err != nil {
		return err
	}
	if c.TLS.CertFile != "" && strings.HasPrefix(c.PublicURL, "http://") {
		return fmt.Errorf("public_url: %q is out of range with tls.cert_file: https", c.PublicURL)
	}
	if c.TLS.AdminCertFile != "" && c.AdminListen == "" {
		return errors.New("tls.admin_cert_file: it needs admin_listen")
	}
	return nil
}

const (
	certificateLook  = 2 * time.Second     // between two looks at the files
	certificateWarns = 14 * 24 * time.Hour // before it expires
)

// certificate is one that is read again when its files change. What cannot be read does not
// take the place of what could.
type certificate struct {
	listener          string // whose it is: the setting's name
	certFile, keyFile string
	log               *slog.Logger
	cert, key         []byte // the texts that were last tried
	current           atomic.Pointer[tls.Certificate]
	warned            time.Time // of its end
}

// readCertificate fails when there is none in the files.
func readCertificate(listener, certFile, keyFile string, log *slog.Logger) (*certificate, error) {
	c := &certificate{listener: listener, certFile: certFile, keyFile: keyFile, log: log}
	if _, err := c.read(); err != nil {
		return nil, err
	}
	c.warn()
	return c, nil
}

// read takes what is in the files, if that is not what was there before.
func (c *certificate) read() (changed bool, err error) {
	cert, err := os.ReadFile(c.certFile)
	if err != nil {
		return false, fmt.Errorf("the certificate of %s: %w", c.listener, err)
	}
	key, err := os.ReadFile(c.keyFile)
	if err != nil {
		return false, fmt.Errorf("the certificate's key of %s: %w", c.listener, err)
	}
	if bytes.Equal(cert, c.cert) && bytes.Equal(key, c.key) {
		return false, nil
	}
	c.cert, c.key = cert, key
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return false, fmt.Errorf("the certificate of %s, %s with %s: %w", c.listener, c.certFile, c.keyFile, err)
	}
	c.current.Store(&pair)
	return true, nil
}

// run looks at the files until ctx ends.
func (c *certificate) run(ctx context.Context) {
	ticker := time.NewTicker(certificateLook)
	defer ticker.Stop()
	said := ""
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		changed, err := c.read()
		switch {
		case err != nil && err.Error() != said:
			said = err.Error()
			c.log.Error("the certificate cannot be read again: the one before stays", "listener", c.listener, "error", err)
		case changed:
			said, c.warned = "", time.Time{}
			c.log.Info("certificate read", "listener", c.listener, "expires", c.expires())
		}
		c.warn()
	}
}

// warn says, once a day, that the certificate is about to expire.
func (c *certificate) warn() {
	if time.Until(c.expires()) < certificateWarns && time.Since(c.warned) > 24*time.Hour {
		c.warned = time.Now()
		c.log.Warn("the certificate is about to expire, or has", "listener", c.listener, "expires", c.expires())
	}
}

func (c *certificate) expires() time.Time { return c.current.Load().Leaf.NotAfter }

// config is that of a server. What is below TLS 1.2 is broken (RFC 8996).
func (c *certificate) config() *tls.Config {
	return &tls.Config{
		MinVersion:     tls.VersionTLS12,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return c.current.Load(), nil },
	}
}

// Metrics are the certificate's collectors.
func (c *certificate) Metrics() []prometheus.Collector {
	return []prometheus.Collector{prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name:        "hullbeam_tls_certificate_expiry_seconds",
		Help:        "When the certificate of a listener expires, in seconds since 1970.",
		ConstLabels: prometheus.Labels{"listener": c.listener},
	}, func() float64 { return float64(c.expires().Unix()) })}
}

// readCertificates reads those that are configured. That of admin_listen is listen's
// unless it has its own, so that operators are never served plain by accident.
func (n *node) readCertificates(context.Context) (err error) {
	t := n.cfg.TLS
	if t.CertFile != "" {
		if n.certificate, err = readCertificate("listen", t.CertFile, t.KeyFile, n.log); err != nil {
			return err
		}
	}
	n.adminCertificate = n.certificate
	if t.AdminCertFile != "" {
		n.adminCertificate, err = readCertificate("admin_listen", t.AdminCertFile, t.AdminKeyFile, n.log)
	}
	return err
}

// certificates are all that there are, each once.
func (n *node) certificates() (all []*certificate) {
	if n.certificate != nil {
		all = append(all, n.certificate)
	}
	if n.adminCertificate != nil && n.adminCertificate != n.certificate {
		all = append(all, n.adminCertificate)
	}
	return all
}
