package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"hullbeam/hull"
)

// typesOptions are the flags of types.
type typesOptions struct {
	url, adminKey, dataDir string
	connectors             []string
}

func typesCommand(std stdio) *cobra.Command {
	o := typesOptions{}
	cmd := &cobra.Command{
		Use:   "types",
		Short: "Print TypeScript types of what connectors publish",
		Long: `Print a TypeScript declaration of what connectors publish: the names of traits
and segments that pages can be told. Put it beside ship.d.ts, which the server
has, and a misspelt name is an error when the page's code is compiled.

A site has one declaration: where its pages have several connectors name them
all, with a --connector each.

The operator's key is read from --admin-key or HULLBEAM_ADMIN_KEY, and
for a server in development mode on this machine from --data-dir. With
admin_listen give that address as --url.`,
		Example: `  hullbeam types --connector 5c0fa1fbe6e53d5e4b1a2c3d --url https://beam.example.com > src/hull.d.ts
  curl https://beam.example.com/ship.d.ts > src/ship.d.ts`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			published, err := o.published(cmd.Context())
			if err != nil {
				return err
			}
			_, err = io.WriteString(std.out, published.declaration(o.connectors))
			return err
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.url, "url", "http://127.0.0.1:8082", "the server")
	f.StringSliceVar(&o.connectors, "connector", []string{demoConnector}, "the connector's id; of several: all that one site has")
	f.StringVar(&o.adminKey, "admin-key", "", "an operator's key (default: HULLBEAM_ADMIN_KEY, else of development mode)")
	f.StringVar(&o.dataDir, "data-dir", "./data", "where development mode keeps its keys")
	return cmd
}

// key is the operator's key that was given, else that of development mode.
func (o typesOptions) key() (string, error) {
	if key := cmp.Or(o.adminKey, os.Getenv("HULLBEAM_ADMIN_KEY")); key != "" { // ADMIN_KEY is a node's own, and --url may be anybody's
		return key, nil
	}
	kept, err := readDevelopment(o.dataDir)
	if err != nil {
		return "", fmt.Errorf("%w; start 'hullbeam' once, or give --admin-key", err)
	}
	return kept.AdminKey, nil
}

// published asks the server what the connectors publish.
func (o typesOptions) published(ctx context.Context) (published, error) {
	if u, err := url.Parse(o.url); err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
		return nil, usage(fmt.Errorf("--url: %q is not an address such as https://beam.example.com", o.url))
	}
	key, err := o.key()
	if err != nil {
		return nil, err
	}
	var all published
	for _, connector := range o.connectors {
		one, err := o.ask(ctx, key, connector)
		if err != nil {
			return nil, err
		}
		all = append(all, one)
	}
	return all, nil
}

// ask asks the server what a connector is set to.
func (o typesOptions) ask(ctx context.Context, key, connector string) (settings, error) {
	target := strings.TrimRight(o.url, "/") + "/api/v1/connectors/" + url.PathEscape(connector)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, target, nil)
	if err != nil {
		return settings{}, usage(err)
	}
	req.Header.Set("Authorization", "Bearer "+key)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return settings{}, err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		return settings{}, err
	}
	var answer struct {
		settings
		Code, Title, Detail string // of a problem
	}
	err = json.Unmarshal(text, &answer)
	switch {
	case answer.Code == "unauthorized":
		err = errors.New("the server does not take this operator's key")
	case answer.Code == "connector_unknown":
		err = fmt.Errorf("the server has no connector %q", connector)
	case answer.Code == "not_found":
		err = fmt.Errorf("%s does not serve operators; where admin_listen is set give that address as --url", o.url)
	case answer.Code != "":
		err = fmt.Errorf("the server says %s: %s", res.Status, cmp.Or(answer.Detail, answer.Title))
	case err != nil || answer.Private == nil:
		err = fmt.Errorf("%s does not answer as Hullbeam does (%s): is it the server's address?", o.url, res.Status)
	}
	return answer.settings, err
}

// settings is what a connector is set to, as GET /api/v1/connectors/{connector} says it.
type settings struct {
	Private  map[string]json.RawMessage  `json:"private_settings"`
	Segments []struct{ ID, Name string } `json:"segments"`
}

// published is what a site's connectors publish.
type published []settings

// declaration is merged by TypeScript with Published of static/ship/types.ts.
func (p published) declaration(connectors []string) string {
	ofUser, ofAccount := hull.PublicTraits(p.listed("public_traits", "public_traits_unsigned"))
	user, account := traitTree{}, traitTree{}
	for _, name := range ofUser {
		user.add(strings.Split(name, "/"))
	}
	for _, name := range ofAccount {
		account.add([]string{name})
	}
	var b strings.Builder
	fmt.Fprintf(&b, "// What is published by %s, as `hullbeam types` prints it. It goes beside ship.d.ts.\n", strings.Join(connectors, ", "))
	fmt.Fprint(&b, "export {};\n\ndeclare module \"./ship\" {\n  interface Published {\n    user: ")
	user.write(&b, "    ")
	fmt.Fprint(&b, "    account: ")
	account.write(&b, "    ")
	fmt.Fprintf(&b, "    segment: %s;\n", p.segmentNames("public_segments", "public_segments_unsigned"))
	fmt.Fprintf(&b, "    account_segment: %s;\n", p.segmentNames("public_account_segments"))
	fmt.Fprintf(&b, "    event: %s;\n  }\n}\n", union(p.listed("public_events")))
	return b.String()
}

// listed are the entries of lists in the settings; one that is no list of texts is empty.
func (p published) listed(names ...string) (all []string) {
	for _, one := range p {
		for _, name := range names {
			var list []string
			if json.Unmarshal(one.Private[name], &list) == nil {
				all = append(all, list...)
			}
		}
	}
	return all
}

// segmentNames are what the segments of lists are called. When the server does not know
// that of each, any text will do.
func (p published) segmentNames(lists ...string) string {
	known := map[string]string{}
	for _, one := range p {
		for _, s := range one.Segments {
			known[s.ID] = s.Name
		}
	}
	var names []string
	for _, id := range p.listed(lists...) {
		if known[id] == "" {
			return "string"
		}
		names = append(names, known[id])
	}
	return union(names)
}

// union is the type of one of these texts.
func union(texts []string) string {
	if len(texts) == 0 {
		return "never"
	}
	texts = slices.Compact(slices.Sorted(slices.Values(texts)))
	for i, text := range texts {
		texts[i] = quoted(text)
	}
	return strings.Join(texts, " | ")
}

// traitTree are traits by name. One without any below it is a trait, the others are
// groups.
type traitTree map[string]traitTree

// add adds a trait. A trait that is a group as well has whatever value a trait can have.
func (t traitTree) add(path []string) {
	below, known := t[path[0]]
	switch {
	case len(path) == 1:
		t[path[0]] = nil
	case known && below == nil: // a trait itself
	default:
		if below == nil {
			below = traitTree{}
			t[path[0]] = below
		}
		below.add(path[1:])
	}
}

func (t traitTree) write(b *strings.Builder, indent string) {
	b.WriteString("{\n")
	for _, name := range slices.Sorted(maps.Keys(t)) {
		fmt.Fprintf(b, "%s  %s?: ", indent, member(name))
		if t[name] == nil {
			b.WriteString("Trait;\n")
		} else {
			t[name].write(b, indent+"  ")
		}
	}
	b.WriteString(indent + "};\n")
}

var plainName = regexp.MustCompile(`^[A-Za-z_$][A-Za-z0-9_$]*$`)

// member is a name as a member of a type has it.
func member(name string) string {
	if plainName.MatchString(name) {
		return name
	}
	return quoted(name)
}

// quoted is text as TypeScript writes it.
func quoted(text string) string {
	var b strings.Builder
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(text); err != nil {
		panic(errors.Join(errors.New("a text is JSON"), err))
	}
	return strings.TrimSpace(b.String())
}
