package main

import (
	"bytes"
	"cmp"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// claimFlags are the identifiers that commands take.
type claimFlags struct {
	id, externalID, email string
	anonymousIDs          []string
}

func (c *claimFlags) add(f *pflag.FlagSet) {
	f.StringVar(&c.id, "id", "", "Hull id of the user")
	f.StringVar(&c.externalID, "external-id", "", "external id of the user")
	f.StringVar(&c.email, "email", "", "email of the user")
	f.StringSliceVar(&c.anonymousIDs, "anonymous-id", nil, "anonymous id of the visitor")
}

// claims are those that were given.
func (c *claimFlags) claims() map[string]any {
	claims := map[string]any{}
	for name, value := range map[string]string{"id": c.id, "external_id": c.externalID, "email": c.email} {
		if value != "" {
			claims[name] = value
		}
	}
	if len(c.anonymousIDs) > 0 {
		claims["anonymous_id"] = c.anonymousIDs
	}
	return claims
}

// visitorFlags say as who a command asks for a token.
type visitorFlags struct {
	claimFlags
	url, connector, origin, identityToken, userHash string
}

func (v *visitorFlags) add(f *pflag.FlagSet) {
	v.claimFlags.add(f)
	f.StringVar(&v.url, "url", "http://127.0.0.1:8082", "the server")
	f.StringVar(&v.connector, "connector", demoConnector, "the connector's id")
	f.StringVar(&v.origin, "origin", "", "the page's origin (default: the server's own)")
	f.StringVar(&v.identityToken, "identity-token", "", "a signed proof of identity: see 'hullbeam sign'")
	f.StringVar(&v.userHash, "user-hash", "", "Intercom's proof of identity: see 'hullbeam sign --user-hash'")
}

// pageOrigin is the origin of the page that is pretended.
func (v *visitorFlags) pageOrigin() (string, error) {
	u, err := url.Parse(cmp.Or(v.origin, v.url))
	if err != nil || u.Host == "" {
		return "", usage(fmt.Errorf("%q is not a URL", cmp.Or(v.origin, v.url)))
	}
	return u.Scheme + "://" + u.Host, nil
}

// token asks the server for a token, as a page would.
func (v *visitorFlags) token(ctx context.Context) (answer []byte, err error) {
	origin, err := v.pageOrigin()
	if err != nil {
		return nil, err
	}
	claims := v.claims()
	if len(claims) == 0 && v.identityToken == "" {
		claims["anonymous_id"] = demoVisitor
	}
	body, err := json.Marshal(map[string]any{"claims": claims, "identity_token": v.identityToken, "user_hash": v.userHash})
	if err != nil {
		return nil, err
	}
	target := strings.TrimRight(v.url, "/") + "/api/v1/connectors/" + url.PathEscape(v.connector) + "/token"
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, target, bytes.NewReader(body))
	if err != nil {
		return nil, usage(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Origin", origin)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	if answer, err = io.ReadAll(res.Body); err != nil {
		return nil, err
	}
	if res.StatusCode != http.StatusCreated {
		return nil, fmt.Errorf("no token: %s %s", res.Status, bytes.TrimSpace(answer))
	}
	return answer, nil
}

func tokenCommand(std stdio) *cobra.Command {
	v := visitorFlags{}
	cmd := &cobra.Command{
		Use:   "token",
		Short: "Get a stream token, as a page would",
		Long: `Get a stream token, as a page would, and print the answer.

Without claims it is the demonstration visitor of development mode.`,
		Example: `  hullbeam token --anonymous-id 8a1c5f0e-2b0d-4c57-9b1e-6f3c1f1a7d42
  hullbeam token --identity-token "$(hullbeam sign --email ada@example.com)"`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			answer, err := v.token(cmd.Context())
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(std.out, "%s\n", bytes.TrimSpace(answer))
			return err
		},
	}
	v.add(cmd.Flags())
	return cmd
}

func signCommand(std stdio) *cobra.Command {
	var c claimFlags
	var secret, audience string
	var ttl time.Duration
	var userHash bool
	cmd := &cobra.Command{
		Use:   "sign",
		Short: "Make an identity token, as a site's back end would",
		Long: `Make an identity token, a JWT that proves the claims it holds, as a site's back
end would: HS256 under the connector's private_settings.identity_secret. With
--user-hash make Intercom's proof of the external id, or else of the email.

The secret is read from --secret or HULLBEAM_IDENTITY_SECRET.`,
		Example: `  HULLBEAM_IDENTITY_SECRET=… hullbeam sign --external-id 4711 --email ada@example.com`,
		Args:    noArgs,
		RunE: func(*cobra.Command, []string) error {
			secret := cmp.Or(secret, os.Getenv("HULLBEAM_IDENTITY_SECRET"))
			switch {
			case secret == "":
				return usage(errors.New("sign needs --secret or HULLBEAM_IDENTITY_SECRET"))
			case len(c.claims()) == 0:
				return usage(errors.New("sign needs a claim: --id, --external-id, --email or --anonymous-id"))
			case ttl <= 0 || ttl > 24*time.Hour:
				return usage(fmt.Errorf("--ttl: %v is out of range: above 0, at most 24h", ttl))
			}
			proof, err := c.sign(secret, audience, ttl)
			if userHash {
				proof, err = c.userHash(secret)
			}
			if err != nil {
				return err
			}
			_, err = fmt.Fprintln(std.out, proof)
			return err
		},
	}
	f := cmd.Flags()
	c.add(f)
	f.StringVar(&secret, "secret", "", "the connector's identity secret")
	f.StringVar(&audience, "connector", "", "bind the token to this connector's id")
	f.DurationVar(&ttl, "ttl", time.Hour, "how long the token is good, at most 24h")
	f.BoolVar(&userHash, "user-hash", false, "make Intercom's user_hash instead")
	return cmd
}

// sign makes an identity token (docs/protocol.md, proof of identity).
func (c *claimFlags) sign(secret, audience string, ttl time.Duration) (string, error) {
	claims := jwt.MapClaims(c.claims())
	claims["iat"] = time.Now().Unix()
	claims["exp"] = time.Now().Add(ttl).Unix()
	if audience != "" {
		claims["aud"] = audience
	}
	return jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString([]byte(secret))
}

// userHash makes Intercom's proof.
func (c *claimFlags) userHash(secret string) (string, error) {
	value := cmp.Or(c.externalID, c.email)
	if value == "" {
		return "", usage(errors.New("a user hash needs --external-id or --email"))
	}
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(value))
	return hex.EncodeToString(mac.Sum(nil)), nil
}
