package main

import (
	"cmp"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"hullbeam/doctor"
)

// doctorOptions are the flags of doctor.
type doctorOptions struct {
	doctor.Config
	keyFile, dataDir string
	asJSON           bool
}

func doctorCommand(std stdio) *cobra.Command {
	o := doctorOptions{Config: doctor.DefaultConfig()}
	anonymousID := o.AnonymousID
	cmd := &cobra.Command{
		Use:   "doctor URL",
		Short: "Find what is wrong with an installation, and the line to change",
		Long: `Look at an installation as a page's browser reaches it, through its proxies, and
name what is wrong: what was seen, why it matters, the line to change (of the proxy,
of config.yaml, of the page's Content-Security-Policy, of the settings in Hull), and
where it is explained. docs/doctor.md has all checks.

Without --connector it leaves out what needs a token; of a server on this machine the
connector is that of development mode, when --data-dir has one. An operators' key for
all connectors lets it ask besides how its requests arrive. The key is read from
--admin-key, --admin-key-file or HULLBEAM_ADMIN_KEY, and sent to that server alone, in
clear text only within a machine or a private network. The authorities of
certificates are the system's (SSL_CERT_FILE).

It changes nothing. It takes two heartbeats (30 s by default), and --timeout at most.

Exit codes: 0 all is well, 1 something was found, 2 wrong words or flags.`,
		Example: `  hullbeam doctor https://beam.example.com --connector 5c0fa1fbe6e53d5e4b1a2c3d \
    --origin https://www.example.com --page https://www.example.com/`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usage(errors.New("doctor needs the address of a server, and nothing else"))
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			o.URL = args[0]
			return o.run(cmd, anonymousID, std)
		},
	}
	o.add(cmd)
	return cmd
}

func (o *doctorOptions) add(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&o.Connector, "connector", "", "the connector's id")
	f.StringVar(&o.Origin, "origin", "", "the origin of the pages, such as https://www.example.com (default: the page's, else the server's own)")
	f.StringVar(&o.Page, "page", "", "the address of a page that has the snippet")
	f.StringVar(&o.AnonymousID, "anonymous-id", o.AnonymousID, "the anonymous id of a visitor, best one that Hullbeam knows")
	f.StringVar(&o.IdentityToken, "identity-token", "", "a signed proof of identity, where unsigned ids do not count (default: HULLBEAM_IDENTITY_TOKEN; see 'hullbeam sign')")
	f.StringVar(&o.AdminKey, "admin-key", "", "an operators' key for all connectors (default: HULLBEAM_ADMIN_KEY)")
	f.StringVar(&o.keyFile, "admin-key-file", "", "a file with the operators' key")
	f.StringVar(&o.AdminURL, "admin-url", "", "where operators' routes are, with admin_listen (default: URL)")
	f.StringVar(&o.dataDir, "data-dir", "./data", "where development mode keeps its keys, for a server on this machine")
	f.DurationVar(&o.Idle, "idle", 0, "hold the stream so long, to see whether it is cut; 0: two heartbeats")
	f.DurationVar(&o.Patience, "patience", o.Patience, "how long an answer may take")
	f.DurationVar(&o.Timeout, "timeout", o.Timeout, "how long all together may take")
	f.BoolVar(&o.asJSON, "json", false, "print the report as JSON")
}

// errFound is what makes findings an exit code.
var errFound = errors.New("something is wrong")

func (o *doctorOptions) run(cmd *cobra.Command, nobody string, std stdio) error {
	if err := o.complete(nobody); err != nil {
		return err
	}
	report, err := doctor.Run(cmd.Context(), o.Config)
	if err != nil {
		return usage(err)
	}
	if err := cmd.Context().Err(); err != nil {
		return fmt.Errorf("it was stopped before its end: %w", err)
	}
	if o.asJSON {
		err = report.WriteJSON(std.out)
	} else {
		err = report.WriteText(std.out, isTerminal(std.out) && os.Getenv("NO_COLOR") == "")
	}
	if err == nil && len(report.Findings()) > 0 {
		err = errFound
	}
	return err
}

// complete adds what was not said: from variables, from the page, and of a server on this
// machine from development mode.
func (o *doctorOptions) complete(nobody string) error {
	o.AdminKey = cmp.Or(o.AdminKey, os.Getenv("HULLBEAM_ADMIN_KEY")) // ADMIN_KEY is a node's own, and URL may be anybody's
	if o.keyFile != "" {
		file, err := os.Open(o.keyFile)
		if err != nil {
			return usage(fmt.Errorf("--admin-key-file: %w", err))
		}
		defer file.Close()
		if o.AdminKey, err = readKey(file); err != nil {
			return fmt.Errorf("--admin-key-file: %w", err)
		}
	}
	o.IdentityToken = cmp.Or(o.IdentityToken, os.Getenv("HULLBEAM_IDENTITY_TOKEN"))
	if page, err := url.Parse(o.Page); err == nil && o.Origin == "" && page.Host != "" {
		o.Origin = page.Scheme + "://" + page.Host
	}
	o.completeDevelopment(nobody)
	return nil
}

// completeDevelopment takes connector, visitor and key of development mode, when that has run
// here and nothing else was said.
func (o *doctorOptions) completeDevelopment(nobody string) {
	u, err := url.Parse(o.URL)
	if err != nil || !strings.HasPrefix(u.Host, "127.0.0.1:") && !strings.HasPrefix(u.Host, "localhost:") || o.Connector != "" || o.AdminKey != "" {
		return
	}
	kept, err := readDevelopment(o.dataDir)
	if err != nil {
		return
	}
	o.Connector, o.AdminKey = demoConnector, kept.AdminKey
	if o.AnonymousID == nobody {
		o.AnonymousID = demoVisitor
	}
}
