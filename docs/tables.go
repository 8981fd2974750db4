package docs

import (
	"strings"

	"github.com/yuin/goldmark/ast"
	extast "github.com/yuin/goldmark/extension/ast"
	"github.com/yuin/goldmark/util"
)

// labelCells gives the cells of a table's rows the names of their columns, but for the first,
// which names its row: where there is no room for columns the style sheet puts the cells
// under each other, with these names before them.
func labelCells(table *extast.Table, source []byte) {
	var columns []string
	for row := table.FirstChild(); row != nil; row = row.NextSibling() {
		if row.Kind() == extast.KindTableHeader {
			for cell := row.FirstChild(); cell != nil; cell = cell.NextSibling() {
				columns = append(columns, plain(cell, source))
			}
			continue
		}
		cell := row.FirstChild()
		for i := 1; i < len(columns) && cell.NextSibling() != nil; i++ {
			cell = cell.NextSibling()
			if columns[i] != "" {
				cell.SetAttributeString("data-column", []byte(columns[i]))
			}
		}
	}
}

func renderTable(w util.BufWriter, _ []byte, _ ast.Node, entering bool) (ast.WalkStatus, error) {
	if entering {
		w.WriteString(`<div class="wide" tabindex="0" role="group" aria-label="Table"><table>` + "\n")
	} else {
		w.WriteString("</table></div>\n")
	}
	return ast.WalkContinue, nil
}

// breaks are where a long name may go on on the next line: else a column of settings is as
// wide as the longest of them.
var breaks = strings.NewReplacer("_", "_<wbr>", ".", ".<wbr>", "/", "/<wbr>", ":", ":<wbr>")

func renderSpan(w util.BufWriter, source []byte, n ast.Node, entering bool) (ast.WalkStatus, error) {
	if !entering {
		return ast.WalkContinue, nil
	}
	text := string(util.EscapeHTML([]byte(strings.ReplaceAll(plain(n, source), "\n", " "))))
	if len(text) > 16 && inCell(n) {
		text = breaks.Replace(text)
	}
	w.WriteString("<code>" + text + "</code>")
	return ast.WalkSkipChildren, nil
}

func inCell(n ast.Node) bool {
	for ; n != nil; n = n.Parent() {
		if n.Kind() == extast.KindTableCell {
			return true
		}
	}
	return false
}
