package doctest

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/text"
)

// Block is a fenced block of a document, or what has to be run before one.
type Block struct {
	File, Language, Text string
	Line                 int
	First                string // what is run before it, from comments since the block above
	Notes                map[string]string
}

// Where is where to look for it.
func (b Block) Where() string { return fmt.Sprintf("%s:%d", b.File, b.Line) }

// notes are what a comment may say of a block, and whether it says more.
var notes = map[string]bool{
	"not run,": true, "quotes": true, "file": true, "parsed": false, "exits": true, "stays": false, "prints": false,
	"as": true, "fails with": true,
}

// Blocks are the fenced blocks of a document, with what the comments before them say.
func Blocks(file string, markdown []byte) ([]Block, error) {
	var blocks []Block
	var wrong []error
	var first string
	complain := func(n ast.Node, what string) {
		wrong = append(wrong, fmt.Errorf("%s:%d: %s", file, line(markdown, n), what))
	}
	root := goldmark.New().Parser().Parse(text.NewReader(markdown))
	wrong = append(wrong, ast.Walk(root, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		if !entering {
			return ast.WalkContinue, nil
		}
		switch n := n.(type) {
		case *ast.CodeBlock:
			complain(n, "a block that is indented and not fenced")
		case *ast.HTMLBlock:
			comment := raw(n, markdown)
			next := n.NextSibling()
			if setUp, ok := strings.CutPrefix(comment, "<!-- test: first\n"); ok {
				first += strings.TrimSuffix(setUp, "-->")
			} else if !strings.HasPrefix(comment, "<!--") {
				complain(n, "HTML is not shown")
			} else if strings.HasPrefix(comment, "<!-- test:") && (next == nil || next.Kind() != ast.KindFencedCodeBlock && next.Kind() != ast.KindHTMLBlock) {
				complain(n, "no block is under it")
			}
		case *ast.FencedCodeBlock:
			b := Block{File: file, Language: string(n.Language(markdown)), Text: string(n.Lines().Value(markdown)), Line: line(markdown, n), First: first, Notes: map[string]string{}}
			first = ""
			for c := n.PreviousSibling(); c != nil && c.Kind() == ast.KindHTMLBlock; c = c.PreviousSibling() {
				if err := b.note(raw(c, markdown)); err != nil {
					complain(c, err.Error())
				}
			}
			blocks = append(blocks, b)
		}
		return ast.WalkContinue, nil
	}))
	if first != "" {
		wrong = append(wrong, fmt.Errorf("%s: no block is under what is run first: %s", file, first))
	}
	return blocks, errors.Join(wrong...)
}

// note reads a comment before a block.
func (b *Block) note(comment string) error {
	said, ok := strings.CutPrefix(comment, "<!-- test:")
	if !ok {
		return nil
	}
	said = strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(said), "-->"))
	if strings.HasPrefix(said, "first\n") {
		return nil
	}
	for name, more := range notes {
		if rest, ok := strings.CutPrefix(said, name); ok && more == (rest != "") {
			b.Notes[name] = strings.TrimSpace(rest)
			return nil
		}
	}
	return fmt.Errorf("the comment %q is none of docs/contributing.md's", said)
}

// Has tells whether a comment says so.
func (b Block) Has(note string) bool { _, ok := b.Notes[note]; return ok }

func raw(n ast.Node, markdown []byte) string {
	text := string(n.Lines().Value(markdown))
	if block, ok := n.(*ast.HTMLBlock); ok && block.HasClosure() {
		text += string(block.ClosureLine.Value(markdown))
	}
	return strings.TrimSpace(text)
}

// line is the line of a block's first line, counted from 1.
func line(markdown []byte, n ast.Node) int {
	if n.Lines().Len() == 0 {
		return 1
	}
	return 1 + bytes.Count(markdown[:n.Lines().At(0).Start], []byte("\n"))
}
