// Package docs holds the documents that the binary serves under /docs, and makes pages of
// them: Contents is their order, Site renders them. It knows nothing of requests.
package docs

import "embed"

// FS has the documents, in Markdown, and the pictures in them.
//
//go:embed *.md *.svg errors decisions
var FS embed.FS
