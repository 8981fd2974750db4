// Package docs holds the documents that the binary serves under /docs.
package docs

import "embed"

// FS has the documents, in Markdown.
//
//go:embed *.md errors decisions
var FS embed.FS
