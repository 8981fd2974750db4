package hull_test

import (
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"hullbeam/hull"
)

const fileURL = "https://hull-platform.s3.amazonaws.com/extracts/report.json?X-Amz-Signature=hush"

func TestExtractURLs(t *testing.T) {
	var asked atomic.Int32
	client := newClient(t, nil)
	client.SetDownloadTransport(roundTrip(func(r *http.Request) (*http.Response, error) {
		asked.Add(1)
		return respond(http.StatusOK, "{}")
	}))
	for _, url := range []string{
		fileURL, "https://amazonaws.com/x", "https://S3.AMAZONAWS.COM/x", "https://s3.amazonaws.com:443/x", "https://files.hullapp.io/x", "https://hull.io",
		"https://s3.amazonaws.com/" + strings.Repeat("x", 8<<10-25),
	} {
		if body, err := client.Extract(t.Context(), url); err != nil {
			t.Errorf("%.60s: %v", url, err)
		} else {
			body.Close()
		}
	}
	asked.Store(0)
	for _, url := range []string{
		"", "x", "/x", "//s3.amazonaws.com/x", "http://s3.amazonaws.com/x", "ftp://s3.amazonaws.com/x", "file:///etc/passwd", "gopher://s3.amazonaws.com/x",
		"https://evil.example/x", "https://evilamazonaws.com/x", "https://s3.amazonaws.com.evil.example/x", "https://s3.amazonaws.com./x",
		"https://s3.amazonaws.com:80/x", "https://s3.amazonaws.com:8443/x", "https://u@s3.amazonaws.com/x", "https://s3.amazonaws.com@evil.example/x",
		"https://s3.amazonaws.com#@evil.example/x", "https://s3.amazonaws.com\\@evil.example/x", "https://evil.example/s3.amazonaws.com",
		"https://127.0.0.1/x", "https://127.1/x", "https://2130706433/x", "https://0x7f000001/x", "https://0177.0.0.1/x", "https://0/x", "https://169.254.169.254/latest",
		"https://[::1]/x", "https://[::ffff:127.0.0.1]/x", "https://[::ffff:7f00:1]/x", "https://[fe80::1%25lo]/x", "https://[::]/x",
		"https://localhost/x", "https://localhost./x", "https://amazonaws.localhost/x", "https://s3.ámazonaws.com/x", " https://s3.amazonaws.com/x",
		"https://s3.amazonaws.com/" + strings.Repeat("x", 8<<10-24),
	} {
		if _, err := client.Extract(t.Context(), url); !errors.Is(err, hull.ErrUntrustedExtractURL) {
			t.Errorf("%.60s: %v", url, err)
		}
	}
	if asked.Load() != 0 {
		t.Errorf("%d were asked", asked.Load())
	}
	none := newClient(t, func(c *hull.ClientConfig) { c.ExtractHosts = nil })
	if _, err := none.Extract(t.Context(), fileURL); !errors.Is(err, hull.ErrUntrustedExtractURL) {
		t.Errorf("without hosts: %v", err)
	}
}

// Nothing of the test stands between the client and the network here: a name under a
// host that is allowed may lead anywhere.
func TestExtractsAreNotFetchedFromOurOwnNetwork(t *testing.T) {
	server := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		t.Error("a request came through")
	}))
	defer server.Close()
	// An API of the operator's own does not open the way to others.
	client := newClient(t, func(c *hull.ClientConfig) { c.APIURL = "http://127.0.0.1:1" })
	_, port, _ := strings.Cut(server.Listener.Addr().String(), ":")
	for _, host := range []string{"127.0.0.1", "localhost", "localhost.", "[::ffff:127.0.0.1]", "[::1]", "0.0.0.0"} {
		request := httptest.NewRequest(http.MethodGet, "https://"+host+":"+port, nil)
		response, err := client.DownloadTransport().RoundTrip(request)
		if err == nil {
			response.Body.Close()
			t.Fatalf("%s answered with %s", host, response.Status)
		}
		if !strings.Contains(err.Error(), "not a public address") && host != "localhost." { // not every resolver knows that one
			t.Errorf("%s: %v", host, err)
		}
	}
}

// fileServer is an API of the operator's own that has extracts too.
func fileServer(t *testing.T, most int64, handler http.HandlerFunc) (url string, client *hull.Client) {
	t.Helper()
	noLeaks(t)
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	client = newClient(t, func(c *hull.ClientConfig) { c.APIURL, c.ExtractBytes = server.URL+"/api/v1/", most })
	t.Cleanup(client.Close)
	return server.URL + "/report.json", client
}

func TestExtractFromTheOperatorsAPI(t *testing.T) {
	url, client := fileServer(t, 1<<20, func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet || r.Header.Get("Hull-Access-Token") != "" || r.Header.Get("User-Agent") != "Hullbeam/dev" {
			t.Errorf("got %s with %v", r.Method, r.Header)
		}
		io.WriteString(w, r.URL.String())
	})
	body, err := client.Extract(t.Context(), url+"?x=1")
	if err != nil {
		t.Fatal(err)
	}
	defer body.Close()
	if text, err := io.ReadAll(body); err != nil || string(text) != "/report.json?x=1" {
		t.Errorf("got %s, %v", text, err)
	}
	for _, other := range []string{
		strings.Replace(url, "http:", "https:", 1), strings.Replace(url, "127.0.0.1", "localhost", 1), strings.Replace(url, "127.0.0.1", "u@127.0.0.1", 1),
		"http://127.0.0.1/x", "http://127.0.0.1:1/x",
	} {
		if _, err := client.Extract(t.Context(), other); !errors.Is(err, hull.ErrUntrustedExtractURL) {
			t.Errorf("%s: %v", other, err)
		}
	}
}

func TestExtractSize(t *testing.T) {
	const most = 100_000
	url, client := fileServer(t, most, func(w http.ResponseWriter, r *http.Request) {
		var length int
		fmt.Sscan(r.URL.Query().Get("length"), &length)
		text := strings.Repeat("x", length)
		switch r.URL.Query().Get("how") {
		case "told":
			io.WriteString(w, text)
		case "untold":
			http.NewResponseController(w).Flush()
			io.WriteString(w, text)
		case "packed":
			w.Header().Set("Content-Encoding", "gzip")
			z := gzip.NewWriter(w)
			io.WriteString(z, text)
			z.Close()
		}
	})
	for _, how := range []string{"told", "untold", "packed"} {
		for length, want := range map[int]error{0: nil, most: nil, most + 1: hull.ErrExtractTooLarge, 100 * most: hull.ErrExtractTooLarge} {
			body, err := client.Extract(t.Context(), fmt.Sprintf("%s?how=%s&length=%d", url, how, length))
			if err != nil {
				if how != "told" || want == nil || !errors.Is(err, hull.ErrExtractUnreachable) {
					t.Errorf("%s, %d bytes: %v", how, length, err)
				}
				continue
			}
			text, err := io.ReadAll(body)
			body.Close()
			if !errors.Is(err, want) || len(text) != min(length, most) {
				t.Errorf("%s, %d bytes: got %d, %v", how, length, len(text), err)
			}
		}
	}
}

func TestExtractThatCannotBeFetched(t *testing.T) {
	url, client := fileServer(t, 1<<20, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path[1:] {
		case "moved":
			http.Redirect(w, r, "/there", http.StatusFound)
		case "there":
			t.Error("a redirect was followed")
		case "gone":
			http.Error(w, "AccessDenied", http.StatusForbidden)
		case "part":
			w.WriteHeader(http.StatusPartialContent)
		case "packed":
			w.Header().Set("Content-Encoding", "br")
			io.WriteString(w, "x")
		case "cut":
			w.Header().Set("Content-Length", "10")
		}
	})
	for _, path := range []string{"moved", "gone", "part", "packed", "cut"} {
		_, err := client.Extract(t.Context(), strings.Replace(url, "report.json", path+"?secret", 1))
		if !errors.Is(err, hull.ErrExtractUnreachable) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: got %v", path, err)
		}
	}
	client.SetDownloadTransport(roundTrip(func(r *http.Request) (*http.Response, error) {
		if strings.Contains(r.URL.Path, "there") {
			t.Error("a redirect was followed")
		}
		response, err := respond(http.StatusTemporaryRedirect, "")
		response.Header = http.Header{"Location": {"https://s3.amazonaws.com/there"}}
		return response, err
	}))
	if _, err := client.Extract(t.Context(), fileURL); !errors.Is(err, hull.ErrExtractUnreachable) || strings.Contains(err.Error(), "hush") {
		t.Errorf("got %v", err)
	}
}

// Hull waits for the answer, so what does not begin in time is given up.
func TestExtractThatDoesNotBegin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client := newClient(t, nil)
		client.SetDownloadTransport(roundTrip(func(r *http.Request) (*http.Response, error) {
			<-r.Context().Done()
			return nil, r.Context().Err()
		}))
		began := time.Now()
		_, err := client.Extract(t.Context(), fileURL)
		if took := time.Since(began); !errors.Is(err, hull.ErrExtractUnreachable) || took != 15*time.Second {
			t.Errorf("after %v: %v", took, err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := client.Extract(ctx, fileURL); !errors.Is(err, hull.ErrExtractUnreachable) || time.Since(began) != 16*time.Second {
			t.Errorf("after %v: %v", time.Since(began), err)
		}
	})
}

func TestSegments(t *testing.T) {
	var asked []string
	var answer atomic.Pointer[string]
	_, client := fileServer(t, 1<<20, func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.URL.String()+" "+r.Header.Get("Hull-Access-Token"))
		io.WriteString(w, *answer.Load())
	})
	answer.Store(new(` [{"id":"s"}]`))
	for _, of := range []hull.SegmentsOf{hull.SegmentsOfUsers, hull.SegmentsOfAccounts} {
		if list, err := client.Segments(t.Context(), harbor, of); err != nil || string(list) != `[{"id":"s"}]` {
			t.Errorf("got %s, %v", list, err)
		}
	}
	want := []string{"/api/v1/users_segments?shipId=" + connectorID + " " + harbor.Secret, "/api/v1/accounts_segments?shipId=" + connectorID + " " + harbor.Secret}
	if strings.Join(asked, "\n") != strings.Join(want, "\n") {
		t.Errorf("asked for %q, want %q", asked, want)
	}
	for _, text := range []string{"", "{}", "[", "[]]"} {
		answer.Store(&text)
		if _, err := client.Segments(t.Context(), harbor, hull.SegmentsOfUsers); !errors.Is(err, hull.ErrRefused) {
			t.Errorf("%q: %v", text, err)
		}
	}
	if _, err := client.Segments(t.Context(), hull.Credentials{ConnectorID: "x", Organization: "a/b", Secret: "s"}, hull.SegmentsOfUsers); !errors.Is(err, hull.ErrRefused) {
		t.Errorf("no host: %v", err)
	}
}

func TestExtractConfigRanges(t *testing.T) {
	for key, change := range map[string]func(*hull.ClientConfig){
		"hull.extract_bytes":    func(c *hull.ClientConfig) { c.ExtractBytes = 1023 },
		"hull.extract_hosts[0]": func(c *hull.ClientConfig) { c.ExtractHosts = []string{"com"} },
		"hull.extract_hosts[1]": func(c *hull.ClientConfig) { c.ExtractHosts = []string{"hull.io", "10.0.0.1"} },
	} {
		cfg := hull.DefaultClientConfig()
		change(&cfg)
		if err := cfg.Validate(); err == nil || !strings.HasPrefix(err.Error(), key+":") {
			t.Errorf("%s: got %v", key, err)
		}
	}
}
