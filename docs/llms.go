package docs

import (
	"bytes"
	"fmt"
)

// LLMs is the table of contents for programs that read Markdown (llmstxt.org).
func LLMs() []byte {
	var b bytes.Buffer
	b.WriteString("# Hullbeam\n\n> Streams what a customer-data platform, Hull, knows about a visitor to the page that the visitor is looking at, while they are looking at it.\n\n" +
		"One Go binary. A page posts the identifiers that it finds and gets a token; it opens an event stream (server-sent events) with it; what Hull tells of the visitor arrives there.\n" +
		"These documents are Markdown. The API is described in [OpenAPI](" + OpenAPIPath + ") too.\n")
	for _, section := range Contents {
		fmt.Fprintf(&b, "\n## %s\n\n", section.Title)
		for _, d := range section.Documents {
			fmt.Fprintf(&b, "- [%s](%s.md): %s\n", d.Title, href(d.Name), d.Says)
		}
	}
	return b.Bytes()
}
