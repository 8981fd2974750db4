// Package static holds the files that the binary serves as they are, or fills in.
package static

import "embed"

// FS has openapi.yaml, what is given to Hull at install, the demonstration page, and the
// page snippet as ci/snippet.sh builds it.
//
//go:embed openapi.yaml manifest.json install demo dist
var FS embed.FS
