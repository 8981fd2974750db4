// Command sbom prints what a binary of Hullbeam is made of, as CycloneDX 1.6 in JSON: the
// modules that the linker has put into it, and the packages of npm that are bundled in the
// pages that it embeds. Of the same binary it always prints the same.
package main

import (
	"cmp"
	"crypto/sha256"
	"debug/buildinfo"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"os"
	"runtime/debug"
	"slices"
	"strings"
)

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: sbom BINARY PACKAGE-LOCK")
		os.Exit(2)
	}
	if err := run(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, "sbom:", err)
		os.Exit(1)
	}
}

func run(binary, lock string) error {
	b, err := describe(binary)
	if err != nil {
		return err
	}
	packages, err := bundled(lock)
	if err != nil {
		return err
	}
	b.Components = append(b.Components, packages...)
	for _, c := range b.Components {
		b.Dependencies[0].On = append(b.Dependencies[0].On, c.Ref)
	}
	out := json.NewEncoder(os.Stdout)
	out.SetIndent("", "  ")
	return out.Encode(b)
}

// bom is a bill of materials (ECMA-424).
type bom struct {
	Format       string       `json:"bomFormat"`
	Spec         string       `json:"specVersion"`
	Version      int          `json:"version"`
	Metadata     metadata     `json:"metadata"`
	Components   []component  `json:"components"`
	Dependencies []dependency `json:"dependencies"`
}

type metadata struct {
	Component component `json:"component"`
}

type component struct {
	Type       string     `json:"type"`
	Ref        string     `json:"bom-ref"`
	Name       string     `json:"name"`
	Version    string     `json:"version"`
	PURL       string     `json:"purl"`
	Hashes     []hash     `json:"hashes,omitempty"`
	Properties []property `json:"properties,omitempty"`
}

type hash struct {
	Algorithm string `json:"alg"`
	Content   string `json:"content"`
}

type property struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

type dependency struct {
	Ref string   `json:"ref"`
	On  []string `json:"dependsOn"`
}

func library(kind, name, version string) component {
	purl := "pkg:" + kind + "/" + strings.ReplaceAll(name, "@", "%40") + "@" + url.QueryEscape(version)
	return component{Type: "library", Ref: purl, Name: name, Version: version, PURL: purl}
}

// describe is what a binary says of itself.
func describe(binary string) (*bom, error) {
	text, err := os.ReadFile(binary) // #nosec G304 -- the one that is asked for
	if err != nil {
		return nil, err
	}
	info, err := buildinfo.ReadFile(binary)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(text)
	self := library("golang", info.Main.Path, cmp.Or(os.Getenv("VERSION"), "dev"))
	self.Type, self.Hashes = "application", []hash{{"SHA-256", hex.EncodeToString(sum[:])}}
	for _, setting := range info.Settings {
		self.Properties = append(self.Properties, property{"hullbeam:build:" + setting.Key, setting.Value})
	}
	b := &bom{Format: "CycloneDX", Spec: "1.6", Version: 1, Metadata: metadata{self}, Dependencies: []dependency{{Ref: self.Ref}}}
	b.Components = append(b.Components, library("golang", "std", strings.TrimPrefix(info.GoVersion, "go")))
	for _, m := range info.Deps {
		b.Components = append(b.Components, module(m))
	}
	return b, nil
}

// module is a module as it was built, with its line of go.sum.
func module(m *debug.Module) component {
	if m.Replace != nil {
		m = m.Replace
	}
	c := library("golang", m.Path, m.Version)
	c.Properties = []property{{"hullbeam:go.sum", m.Sum}}
	return c
}

// bundled are the packages of an npm lock that are not for development alone.
func bundled(lock string) (list []component, err error) {
	text, err := os.ReadFile(lock) // #nosec G304 -- the one that is asked for
	if err != nil {
		return nil, err
	}
	var locked struct {
		Packages map[string]struct {
			Version, Integrity string
			Dev                bool
		}
	}
	if err := json.Unmarshal(text, &locked); err != nil {
		return nil, fmt.Errorf("%s: %w", lock, err)
	}
	for _, path := range slices.Sorted(maps.Keys(locked.Packages)) {
		p := locked.Packages[path]
		_, name, isPackage := strings.Cut(path, "node_modules/")
		if !isPackage || p.Dev {
			continue
		}
		c := library("npm", name, p.Version)
		sum, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(p.Integrity, "sha512-"))
		if err != nil || len(sum) != 64 {
			return nil, fmt.Errorf("%s: %s has no sha512", lock, name)
		}
		c.Hashes = []hash{{"SHA-512", hex.EncodeToString(sum)}}
		list = append(list, c)
	}
	return list, nil
}
