// Package static holds the files that the binary serves as they are, or fills in.
package static

import "embed"

// FS has openapi.yaml, what is given to Hull at install, and the demonstration page.
//
//go:embed openapi.yaml manifest.json install demo
var FS embed.FS
