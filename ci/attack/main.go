// Command attack tries the table of package attack on a server, and prints what became of
// each attack. It fails when one got through. With --hullbeam it starts that binary, in
// production mode, twice: with Hull's key and without. With --url it attacks what runs
// there, with connectors of its own, which it takes away afterwards.
package main

import (
	"cmp"
	"context"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"hullbeam/attack"
)

// options are the flags.
type options struct {
	hullbeam, url, adminKey, dataDir, hullKey, group string
	patience                                         time.Duration
}

func main() {
	var o options
	flag.StringVar(&o.hullbeam, "hullbeam", "", "a binary to start and attack")
	flag.StringVar(&o.url, "url", "", "a running server to attack, such as http://127.0.0.1:8082")
	flag.StringVar(&o.adminKey, "admin-key", os.Getenv("HULLBEAM_ADMIN_KEY"), "its admin key; by default that of development mode in --data-dir, or HULLBEAM_ADMIN_KEY")
	flag.StringVar(&o.dataDir, "data-dir", "./data", "the data directory of a server in development mode")
	flag.StringVar(&o.hullKey, "hull-key", "", "the private key that it believes notifications by, a file in PEM; by default that of development mode")
	flag.StringVar(&o.group, "group", "", "only the attacks of groups whose names begin so")
	flag.DurationVar(&o.patience, "patience", time.Minute, "how long the server may take to end a connection on which nothing comes")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	through, err := run(ctx, o)
	if err != nil {
		fmt.Fprintln(os.Stderr, "attack:", err)
	}
	if err != nil || through > 0 {
		os.Exit(1)
	}
}

func run(ctx context.Context, o options) (through int, err error) {
	switch {
	case (o.url == "") == (o.hullbeam == ""):
		return 0, errors.New("say one of --url and --hullbeam")
	case o.url != "":
		return o.attackRunning(ctx)
	}
	fmt.Println("A server that has Hull's key:")
	through, err = o.attackOwn(ctx, true, attack.Table())
	if err != nil {
		return through, err
	}
	fmt.Println("\nA server that fetches Hull's key:")
	more, err := o.attackOwn(ctx, false, attack.OnHullsDoor())
	return through + more, err
}

// attackOwn starts a server and attacks it.
func (o options) attackOwn(ctx context.Context, pinned bool, attacks []attack.Attack) (through int, err error) {
	dir, err := os.MkdirTemp("", "attack")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(dir)
	server, err := attack.Start(ctx, o.hullbeam, dir, pinned)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, server.Stop()) }()
	return o.attack(ctx, server.Target, attacks)
}

// attackRunning attacks a server that is there.
func (o options) attackRunning(ctx context.Context) (through int, err error) {
	bait, err := attack.NewBait()
	if err != nil {
		return 0, err
	}
	defer bait.Close()
	target := &attack.Target{URL: o.url, AdminKey: o.adminKey, Bait: bait, Patience: o.patience}
	if err := o.readKeys(target); err != nil {
		return 0, err
	}
	return o.attack(ctx, target, attack.Table())
}

func (o options) attack(ctx context.Context, target *attack.Target, attacks []attack.Attack) (through int, err error) {
	attacks = slices.DeleteFunc(attacks, func(a attack.Attack) bool { return !strings.HasPrefix(a.Group, o.group) })
	if err := target.Prepare(ctx); err != nil {
		return 0, errors.Join(err, target.Clean(context.WithoutCancel(ctx)))
	}
	through = attack.Print(os.Stdout, attack.Run(ctx, target, attacks))
	return through, target.Clean(context.WithoutCancel(ctx))
}

// readKeys completes a target by the flags, or by what development mode keeps in its data
// directory.
func (o options) readKeys(target *attack.Target) error {
	var kept struct {
		AdminKey string `json:"admin_key"`
		HullKey  string `json:"hull_key"`
	}
	text, err := os.ReadFile(filepath.Join(o.dataDir, "development.json"))
	switch {
	case err == nil && o.adminKey == "":
		target.Development = true
		err = json.Unmarshal(text, &kept)
	case errors.Is(err, fs.ErrNotExist):
		err = nil
	}
	if err != nil {
		return err
	}
	if target.AdminKey = cmp.Or(o.adminKey, kept.AdminKey); target.AdminKey == "" {
		return errors.New("there is no admin key: say --admin-key, or --data-dir of development mode")
	}
	if o.hullKey != "" {
		text, err := os.ReadFile(o.hullKey)
		if err != nil {
			return err
		}
		kept.HullKey = string(text)
	}
	if kept.HullKey == "" {
		return nil
	}
	target.HullKey, err = parseKey(kept.HullKey)
	return err
}

func parseKey(text string) (*rsa.PrivateKey, error) {
	block, _ := pem.Decode([]byte(text))
	if block == nil {
		return nil, errors.New("the key of notifications is not in PEM")
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("the key of notifications: %w", err)
	}
	key, ok := parsed.(*rsa.PrivateKey)
	if !ok {
		return nil, errors.New("the key of notifications is not an RSA key")
	}
	return key, nil
}
