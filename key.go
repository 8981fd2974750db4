package main

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"hullbeam/api"
)

// keyFlags say what key makes.
type keyFlags struct {
	connector, scope       string
	secret, identitySecret bool
}

func keyCommand(std stdio) *cobra.Command {
	var k keyFlags
	cmd := &cobra.Command{
		Use:   "key",
		Short: "Make an operators' key, or a secret",
		Long: `Make a key for an operator, and the entry for the configuration, which has only the
key's hash: the operator gets the key, the server the entry, and nobody has both.

  hullbeam key                                  sees and changes everything: admin_key
  hullbeam key --connector ID --scope read      sees one connector: operator_keys
  hullbeam key --connector '*' --scope write    sees and changes all: operator_keys
  hullbeam key --secret                         seals tokens and secrets: secret
  hullbeam key --identity-secret                signs identity tokens: identity_secret

Nothing is stored. To replace a key make the new one, put its entry beside the old
one, restart, give the key to its operator, and take the old entry away when nobody
uses it any more: sessions that were begun with it end with it. Of secret the new one
goes in front, of identity_secret there may be two: docs/operators.md, keys.`,
		Args: noArgs,
		RunE: func(*cobra.Command, []string) error { return k.make(std.out) },
	}
	f := cmd.Flags()
	k.addScope(cmd)
	f.BoolVar(&k.secret, "secret", false, "make an entry of secret instead")
	f.BoolVar(&k.identitySecret, "identity-secret", false, "make a connector's identity_secret instead")
	cmd.AddCommand(keyHashCommand(std))
	return cmd
}

func (k *keyFlags) addScope(cmd *cobra.Command) {
	cmd.Flags().StringVar(&k.connector, "connector", "", "the connector that the key is for, or * for all")
	cmd.Flags().StringVar(&k.scope, "scope", "", "with --connector: read, or write, which reads too")
}

func keyHashCommand(std stdio) *cobra.Command {
	var k keyFlags
	cmd := &cobra.Command{
		Use:   "hash",
		Short: "Read a key from standard input and print its entry for the configuration",
		Long: `Read a key, one line of standard input, and print the entry with which the
configuration has its hash in its place. A hash hides a key that nobody can guess:
make it with 'hullbeam key', and do not choose it.

  hullbeam key hash <key.txt
  hullbeam key hash --connector ID --scope read <key.txt`,
		Args: noArgs,
		RunE: func(*cobra.Command, []string) error {
			key, err := readKey(std.in)
			if err != nil {
				return err
			}
			_, entry, err := k.entry(key)
			if err != nil {
				return err
			}
			_, err = fmt.Fprintln(std.out, entry)
			return err
		},
	}
	k.addScope(cmd)
	return cmd
}

// make prints what is to be made. Secrets stand alone on their line, for use in scripts.
func (k *keyFlags) make(out io.Writer) error {
	if k.secret || k.identitySecret {
		if k.secret && k.identitySecret || k.connector != "" || k.scope != "" {
			return usage(errors.New("--secret and --identity-secret each stand alone"))
		}
		_, err := fmt.Fprintln(out, newSecret())
		return err
	}
	key := "hullbeam_" + newSecret() // that scanners for secrets can tell what it is
	setting, entry, err := k.entry(key)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, "key:    %s\n%s: [\"%s\"]\n", key, setting, entry)
	return err
}

// entry is what stands for a key in the configuration, and in which setting.
func (k *keyFlags) entry(key string) (setting, entry string, err error) {
	if k.connector == "" && k.scope == "" {
		return "admin_key", api.KeyHash(key), nil
	}
	if entry, err = api.OperatorKey(k.scope, k.connector, key); err != nil {
		err = usage(fmt.Errorf("--connector and --scope: %w", err))
	}
	return "operator_keys", entry, err
}

// readKey reads a key, which may end with a line break.
func readKey(in io.Reader) (string, error) {
	text, err := io.ReadAll(io.LimitReader(in, 64<<10))
	if err != nil {
		return "", fmt.Errorf("reading the key: %w", err)
	}
	key := strings.TrimRight(string(text), "\r\n")
	if len(key) < api.MinKey || strings.ContainsAny(key, "\r\n") || strings.TrimSpace(key) != key {
		return "", usage(errors.New("standard input has to be one key, of one line and at least 20 characters, with no space around it"))
	}
	return key, nil
}

// newSecret is 256 random bits.
func newSecret() string {
	var bits [32]byte
	rand.Read(bits[:]) // it never fails
	return base64.RawURLEncoding.EncodeToString(bits[:])
}
