package main

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"hullbeam/hull/hulltest"
)

// notifyOptions are the flags of notify.
type notifyOptions struct {
	url, connector, organization, secret, key, dataDir string
	file                                               string
	userID, email, externalID                          string
	anonymousIDs                                       []string
	traits, accountTraits, segments, events            []string
}

func notifyCommand(std stdio) *cobra.Command {
	o := notifyOptions{}
	cmd := &cobra.Command{
		Use:   "notify",
		Short: "Send a correctly signed notification, as Hull would",
		Long: `Send a correctly signed notification, as Hull would, and print the answer.

Without flags it tells a server in development mode on this machine about its
demonstration visitor. Keys and secret of development mode are read from
--data-dir. For another server give --connector, --secret (or
HULLBEAM_CONNECTOR_SECRET) and --key: the private half of one of its
hull.public_keys.`,
		Example: `  hullbeam notify --trait plan=pro --segment vip --event "Signed Up"
  hullbeam notify --file user-update.json --key hull.pem`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return notify(cmd.Context(), o, std) },
	}
	f := cmd.Flags()
	f.StringVar(&o.url, "url", "http://127.0.0.1:8082", "the server")
	f.StringVar(&o.connector, "connector", "", "the connector's id (default demo)")
	f.StringVar(&o.organization, "organization", "", "the connector's organization (default "+demoOrganization+")")
	f.StringVar(&o.secret, "secret", "", "the connector's secret (default: HULLBEAM_CONNECTOR_SECRET, else of development mode)")
	f.StringVar(&o.key, "key", "", "file with the private key in PEM (default: of development mode)")
	f.StringVar(&o.dataDir, "data-dir", "./data", "where development mode keeps its keys")
	f.StringVar(&o.file, "file", "", "send this notification, - for standard input, instead of making one of the flags below; it gets a new notification_id")
	f.StringVar(&o.userID, "user-id", "", "the user's id in Hull (default "+demoUser+")")
	f.StringVar(&o.email, "email", "", "the user's email")
	f.StringVar(&o.externalID, "external-id", "", "the user's external id")
	f.StringSliceVar(&o.anonymousIDs, "anonymous-id", nil, "an anonymous id of the user (default "+demoVisitor+")")
	f.StringArrayVar(&o.traits, "trait", nil, "name=value, the value as JSON or else as text")
	f.StringArrayVar(&o.accountTraits, "account-trait", nil, "name=value of the user's account")
	f.StringSliceVar(&o.segments, "segment", nil, "id, or id=name, of a segment that the user is in")
	f.StringArrayVar(&o.events, "event", nil, "name of an event that happened")
	return cmd
}

func notify(ctx context.Context, o notifyOptions, std stdio) error {
	d, key, err := o.keys()
	if err != nil {
		return err
	}
	id, body, err := o.body(d, std.in)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, strings.TrimRight(o.url, "/")+"/smart-notifier", bytes.NewReader(body))
	if err != nil {
		return usage(err)
	}
	req.Header = key.Headers(id, demoKeyURL, time.Now())
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	if err != nil {
		return err
	}
	fmt.Fprintf(std.out, "%s %s\n", res.Status, bytes.TrimSpace(answer))
	if res.StatusCode != http.StatusOK {
		return errors.New("the notification was not taken")
	}
	return nil
}

// keys are those given, and where they are missing those of development mode.
func (o notifyOptions) keys() (*development, *hulltest.Key, error) {
	d := &development{ConnectorSecret: cmp.Or(o.secret, os.Getenv("HULLBEAM_CONNECTOR_SECRET"))}
	if d.ConnectorSecret == "" || o.key == "" {
		kept, err := readDevelopment(o.dataDir)
		if err != nil {
			return nil, nil, fmt.Errorf("%w; start 'hullbeam' once, or give --secret and --key", err)
		}
		d.ConnectorSecret = cmp.Or(d.ConnectorSecret, kept.ConnectorSecret)
		d.key = kept.key
	}
	if o.key != "" {
		text, err := os.ReadFile(o.key)
		if err != nil {
			return nil, nil, usage(err)
		}
		if d.key, err = hulltest.ParseKey(text); err != nil {
			return nil, nil, usage(fmt.Errorf("%s: %w", o.key, err))
		}
	}
	return d, d.key, nil
}

// body is the notification's id and text.
func (o notifyOptions) body(d *development, in io.Reader) (id string, body []byte, err error) {
	n, err := o.notification(d)
	if o.file != "" {
		n, err = readNotification(o.file, in)
	}
	if err != nil {
		return "", nil, err
	}
	id = rand.Text()
	n["notification_id"] = id
	body, err = json.Marshal(n)
	return id, body, err
}

func readNotification(path string, in io.Reader) (n map[string]any, err error) {
	text, err := os.ReadFile(path)
	if path == "-" {
		text, err = io.ReadAll(in)
	}
	if err != nil {
		return nil, usage(err)
	}
	parts := map[string]json.RawMessage{}
	if err := json.Unmarshal(text, &parts); err != nil {
		return nil, usage(fmt.Errorf("%s: %w", path, err))
	}
	n = map[string]any{}
	for name, part := range parts {
		n[name] = part
	}
	return n, nil
}

// notification makes one user:update of the flags.
func (o notifyOptions) notification(d *development) (map[string]any, error) {
	user, err := pairs(o.traits)
	if err != nil {
		return nil, err
	}
	account, err := pairs(o.accountTraits)
	if err != nil {
		return nil, err
	}
	if len(o.anonymousIDs) == 0 {
		o.anonymousIDs = []string{demoVisitor}
	}
	user["id"] = cmp.Or(o.userID, demoUser)
	user["anonymous_ids"] = o.anonymousIDs
	for name, value := range map[string]string{"email": o.email, "external_id": o.externalID} {
		if value != "" {
			user[name] = value
		}
	}
	return map[string]any{
		"configuration": map[string]string{
			"id": cmp.Or(o.connector, demoConnector), "organization": cmp.Or(o.organization, demoOrganization), "secret": d.ConnectorSecret,
		},
		"channel": "user:update",
		"messages": []any{map[string]any{
			"user": user, "account": account, "segments": segmentsOf(o.segments), "events": eventsOf(o.events),
		}},
	}, nil
}

// pairs reads name=value, the value as JSON when it is some.
func pairs(list []string) (map[string]any, error) {
	m := map[string]any{}
	for _, pair := range list {
		name, value, ok := strings.Cut(pair, "=")
		if !ok || name == "" {
			return nil, usage(fmt.Errorf("%q is not name=value", pair))
		}
		if json.Valid([]byte(value)) {
			m[name] = json.RawMessage(value)
		} else {
			m[name] = value
		}
	}
	return m, nil
}

func segmentsOf(list []string) []map[string]string {
	segments := make([]map[string]string, 0, len(list))
	for _, s := range list {
		id, name, ok := strings.Cut(s, "=")
		if !ok {
			name = id
		}
		segments = append(segments, map[string]string{"id": id, "name": name, "type": "users_segment"})
	}
	return segments
}

func eventsOf(list []string) []map[string]string {
	events := make([]map[string]string, 0, len(list))
	for _, name := range list {
		events = append(events, map[string]string{"event": name, "created_at": time.Now().UTC().Format(time.RFC3339)})
	}
	return events
}
