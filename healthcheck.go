package main

import (
	"cmp"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

func healthcheckCommand(std stdio) *cobra.Command {
	var live bool
	var timeout time.Duration
	cmd := &cobra.Command{
		Use:   "healthcheck [URL]",
		Short: "Ask the node on this machine whether it is ready",
		Long: `Ask a node whether it should get requests (/readyz), or with --live whether it
answers at all (/healthz), for a HEALTHCHECK and the like. A node without its
Redis is alive and not ready, and would lose by a restart what it remembers: what
restarts by health has to ask with --live.

Without a URL it is the node of this machine that the file, the environment and
the flags describe: at admin_listen, where no visitors stand in the way, or at
listen. Its certificate is not checked, since it is made out to another name; that
of a URL is.

Exit codes: 0 it is, 1 it is not, 2 wrong words, flags or configuration.`,
		Example: `  hullbeam healthcheck
  hullbeam healthcheck --live https://beam.example.com`,
		Args: someArgs(0, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if timeout <= 0 {
				return usage(fmt.Errorf("--timeout: %v is out of range: above 0", timeout))
			}
			path := "/readyz"
			if live {
				path = "/healthz"
			}
			ctx, cancel := context.WithTimeout(cmd.Context(), timeout)
			defer cancel()
			base, config, err := healthcheckTarget(cmd, args)
			if err != nil {
				return err
			}
			return healthcheck(ctx, base+path, config, std.out)
		},
	}
	f := cmd.Flags()
	f.BoolVar(&live, "live", false, "ask whether the process answers, ready or not")
	f.DurationVar(&timeout, "timeout", 4*time.Second, "how long it may take; a node itself gives up after 2s")
	addConfigFlags(f)
	return cmd
}

// healthcheckTarget is whom to ask, without a path, and how to trust its certificate.
func healthcheckTarget(cmd *cobra.Command, args []string) (base string, config *tls.Config, err error) {
	if len(args) > 0 {
		u, err := url.Parse(args[0])
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" {
			return "", nil, usage(fmt.Errorf("%q is out of range: http(s)://host[:port] without a path", args[0]))
		}
		return u.Scheme + "://" + u.Host, nil, nil
	}
	path, _ := cmd.Flags().GetString("config")
	cfg, _, err := LoadConfig(path, os.Environ(), cmd.Flags())
	if err != nil {
		return "", nil, err
	}
	base, err = cfg.localURL()
	return base, &tls.Config{InsecureSkipVerify: true}, err // #nosec G402 -- nothing is told to it, and its answer is a word
}

// localURL is where a node of this configuration is reached from its own machine.
func (c Config) localURL() (string, error) {
	key, address, certificate := "listen", c.Listen, c.TLS.CertFile
	if c.AdminListen != "" {
		key, address, certificate = "admin_listen", c.AdminListen, cmp.Or(c.TLS.AdminCertFile, c.TLS.CertFile)
	}
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return "", usage(fmt.Errorf("%s: %w", key, err))
	}
	if port == "0" {
		return "", usage(fmt.Errorf("%s: port 0 is any: name the URL", key))
	}
	if at, err := netip.ParseAddr(host); host == "" || err == nil && at.IsUnspecified() {
		host = "127.0.0.1"
	}
	scheme := "http://"
	if certificate != "" {
		scheme = "https://"
	}
	return scheme + net.JoinHostPort(host, port), nil
}

// healthcheck asks target and prints its answer; the error is why it is not well. Neither
// a proxy of the environment nor a redirection is followed: who answers shall be the node.
func healthcheck(ctx context.Context, target string, config *tls.Config, out io.Writer) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, target, nil)
	if err != nil {
		return usage(err)
	}
	transport := &http.Transport{TLSClientConfig: config, DisableKeepAlives: true}
	res, err := transport.RoundTrip(req)
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("%s does not answer in time", target)
	} else if err != nil {
		return fmt.Errorf("%s: %w", target, err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, 64<<10))
	if err != nil {
		return fmt.Errorf("%s: %w", target, err)
	}
	if res.StatusCode != http.StatusOK {
		var problem struct{ Detail string }
		_ = json.Unmarshal(body, &problem) // a proxy answers in words of its own
		return fmt.Errorf("%s: %s %s", target, res.Status, problem.Detail)
	}
	_, err = out.Write(body)
	return err
}
