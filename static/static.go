// Package static holds the files that the binary serves as they are.
package static

import "embed"

// FS has openapi.yaml and the demonstration page.
//
//go:embed openapi.yaml demo
var FS embed.FS
