// Package static holds the files that the binary serves as they are, or fills in.
package static

import "embed"

// FS has openapi.yaml, what is given to Hull at install, the demonstration page, the page
// snippet as ci/snippet.sh builds it, and the admin pages as ci/admin.sh does.
//
//go:embed openapi.yaml manifest.json install demo dist admin/dist
var FS embed.FS
