package doctor

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// diagnosis is what the node says of how our request has arrived (docs/doctor.md).
type diagnosis struct {
	answer
	failed string // why nothing is known

	Time    string
	Request struct {
		Peer         string
		PeerTrusted  bool   `json:"peer_trusted"`
		Client       string // as the limits count it
		Host         string
		TLS          bool
		ForwardedFor string `json:"forwarded_for"`
		Proto        string `json:"forwarded_proto"`
		Secure       bool   // it counts as https
	}
	Store struct{ Kind string }
}

// canary is an address that the doctor says it came by (RFC 5737): what becomes of it shows
// what the proxy does with X-Forwarded-For.
const canary = "192.0.2.77"

// asOperator asks an operators' route.
func (x *examination) asOperator(ctx context.Context, path string, headers ...string) answer {
	h := header(headers...)
	if x.cfg.AdminKey != "" {
		h.Set("Authorization", "Bearer "+x.cfg.AdminKey)
	}
	return x.ask(ctx, request{url: x.cfg.AdminURL + path, header: h})
}

func (x *examination) askDiagnosis(ctx context.Context) (d diagnosis) {
	d.answer = x.asOperator(ctx, "/api/v1/diagnosis", "X-Forwarded-For", canary)
	if code, _ := d.problem(); code == "forbidden" { // in development mode, which answers nothing that was forwarded
		d.answer = x.asOperator(ctx, "/api/v1/diagnosis")
	}
	if d.status != http.StatusOK || d.decode(&d) != nil {
		d.failed = fmt.Sprintf("operators are answered %v", d.answer)
		if d.status == http.StatusNotFound && x.cfg.AdminURL == x.cfg.URL {
			d.failed += "; where admin_listen is set give --admin-url"
		}
	}
	return d
}

// checkForwarded compares what the node knows of the request with what was sent.
func (x *examination) checkForwarded(context.Context) verdict {
	d := x.diagnosis()
	r := d.Request
	peer, _, _ := net.SplitHostPort(r.Peer)
	hops := strings.Split(r.ForwardedFor, ",")
	switch {
	case x.cfg.AdminURL != x.cfg.URL:
		return unchecked("operators' routes have an address of their own, and pages come another way")
	case r.Peer == d.local:
		return ok("nothing is between this machine and the node")
	case r.Client == canary:
		return fail("config.yaml: trusted_proxies: [the proxies' addresses alone], and nginx: proxy_set_header X-Forwarded-For $remote_addr;",
			"who asks can say who they are: an X-Forwarded-For of their own is believed, so limits per address bound nobody")
	case r.ForwardedFor == canary && !x.isProxied(d, peer):
		return unchecked("X-Forwarded-For arrives as it was sent, from %s: that is this machine behind a NAT, or a proxy that does not set it", quote(peer))
	case r.ForwardedFor == canary || r.ForwardedFor == "":
		return fail("nginx: proxy_set_header X-Forwarded-For $remote_addr;", "the proxy at %s does not say for whom it asks: all visitors are one address to the limits", quote(peer))
	case !r.PeerTrusted:
		return fail(fmt.Sprintf("config.yaml: trusted_proxies: [%s]", quote(peer)), "the proxy at %s says that %s asks, and is not believed: all visitors are one address to the limits", quote(peer), quote(strings.TrimSpace(hops[len(hops)-1])))
	case x.base.Scheme == "https" && !r.Secure:
		return fail("nginx: proxy_set_header X-Forwarded-Proto $scheme;", "the node takes the request for http: X-Forwarded-Proto is %q", quote(r.Proto))
	case !strings.EqualFold(r.Host, x.base.Host):
		return fail("nginx: proxy_set_header Host $http_host;", "the node is asked as %q", quote(r.Host))
	}
	return ok("the node knows who asks, and how: %s", quote(r.Client))
}

// isProxied tells whether somebody is between for certain.
func (x *examination) isProxied(d diagnosis, peer string) bool {
	local, _, _ := net.SplitHostPort(d.local)
	return x.base.Scheme == "https" && !d.Request.TLS || isLoopback(peer) && isLoopback(local) || isLoopback(peer) != isLoopback(local)
}

// needed are the file descriptors below which a node cannot take many visitors: about 6,000
// streams.
const needed = 8192

// checkDescriptors reads the node's metrics, which this machine may without a key.
func (x *examination) checkDescriptors(ctx context.Context) verdict {
	a := x.asOperator(ctx, "/metrics")
	limit, known := metric(a.body, "process_max_fds")
	streams, _ := metric(a.body, "hullbeam_streams")
	most, _ := metric(a.body, "hullbeam_streams_limit")
	const change = "systemd: LimitNOFILE=65536 (a shell: ulimit -n 65536; compose: ulimits: {nofile: 65536}), for the proxy, too: nginx: worker_rlimit_nofile 65536;"
	switch {
	case a.status != http.StatusOK:
		return unchecked("/metrics is answered %v; from this machine without a proxy it needs no key (--admin-url)", a)
	case !known:
		return unchecked("/metrics does not say process_max_fds")
	case limit < needed:
		return fail(change, "the process may have %.0f file descriptors: a stream takes one, and %.0f are open", limit, streams)
	}
	if most == 0 || most > limit { // there is no other bound
		most = limit
	}
	if streams > 0.8*most {
		return warn(change+" or config.yaml: stream.max_streams", "%.0f streams are open of %.0f, with %.0f file descriptors", streams, most, limit)
	}
	return ok("the process may have %.0f file descriptors, %.0f streams are open", limit, streams)
}

// metric adds up the samples of a metric in Prometheus' text format.
func metric(exposition []byte, name string) (sum float64, known bool) {
	for line := range bytes.Lines(exposition) {
		fields := strings.Fields(string(line))
		if len(fields) < 2 || fields[0] != name && !strings.HasPrefix(fields[0], name+"{") {
			continue
		}
		if value, err := strconv.ParseFloat(fields[len(fields)-1], 64); err == nil {
			sum, known = sum+value, true
		}
	}
	return sum, known
}

// maxLists bounds how many pages of the list of connectors are read.
const maxLists = 20

// checkSettings tells what the node itself finds wrong with the connector.
func (x *examination) checkSettings(ctx context.Context) verdict {
	cursor := ""
	for range maxLists {
		a := x.asOperator(ctx, "/api/v1/connectors?cursor="+url.QueryEscape(cursor))
		var list struct {
			Items []struct {
				ID       string
				Findings []struct{ Severity, Message string }
			}
			NextCursor string `json:"next_cursor"`
		}
		if a.status != http.StatusOK || a.decode(&list) != nil {
			return unchecked("operators are answered %v", a)
		}
		for _, c := range list.Items {
			if c.ID != x.cfg.Connector {
				continue
			}
			notes := 0
			for _, f := range c.Findings {
				if f.Severity != "warning" {
					return fail("in Hull, the connector's settings: as the message says (docs/install-hull.md)", "%s", quote(f.Message))
				}
				notes++
			}
			return ok("the node finds nothing that does not work; %d remarks are at /admin/", notes)
		}
		if cursor = list.NextCursor; cursor == "" {
			break
		}
	}
	return unchecked("the node does not list the connector")
}
