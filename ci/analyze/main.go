// Command analyze is what go vet runs beside its own checks (ci/lint.sh): gosec, bodyclose
// and errorlint, without what they say of tests. They come by themselves, since
// golangci-lint, which has them too, takes longer to compile than all else that is checked
// (docs/decisions/0034-supply-chain.md).
package main

import (
	"slices"
	"strings"

	"codeberg.org/polyfloyd/go-errorlint/errorlint"
	"github.com/securego/gosec/v2/goanalysis"
	"github.com/timakin/bodyclose/passes/bodyclose"
	"golang.org/x/tools/go/analysis"
	"golang.org/x/tools/go/analysis/unitchecker"
)

// unfit are rules of gosec that find nothing here but what is meant.
var unfit = []string{
	"G101", "G117", // names such as Secret: what they hold is sealed, masked, or of a test server
	"G103",         // unsafe: the calls of epoll and of the benchmark
	"G104",         // dropped errors: it does not know that those of a pipeline come once, at its end
	"G115",         // conversions of numbers: it does not see what bounds them
	"G204", "G304", // commands and files that are named by who starts Hullbeam, or a test
	"G404",                 // weak random numbers: they spread retries, and secrets come from crypto/rand
	"G401", "G505", "G506", // SHA-1, with which Amazon SNS signs and Redis names scripts
	"G602", // slices out of range: it does not see the conditions that hold for indexes
	// What it follows from a request to a query, a file or a log. It sees one package at a
	// time, of which none has both ends, and takes more time than all other rules.
	"G701", "G702", "G703", "G704", "G705", "G706", "G707", "G708", "G709", "G710",
}

func main() {
	if err := goanalysis.Analyzer.Flags.Set("exclude", strings.Join(unfit, ",")); err != nil {
		panic(err)
	}
	unitchecker.Main(outsideTests(goanalysis.Analyzer), outsideTests(bodyclose.Analyzer), outsideTests(errorlint.NewAnalyzer()))
}

// ofTests are parts of the names of files of tests, and of packages for these, for attacks and for
// measuring, which leave much to their end and hold nothing that is worth taking.
var ofTests = []string{"_test.go", "test/", "/attack/", "/bench/", "/ci/", "/proctest/"}

// outsideTests is an analyzer without what it says of tests.
func outsideTests(a *analysis.Analyzer) *analysis.Analyzer {
	run := a.Run
	a.Run = func(pass *analysis.Pass) (any, error) {
		report := pass.Report
		pass.Report = func(d analysis.Diagnostic) {
			file := pass.Fset.Position(d.Pos).Filename
			if !slices.ContainsFunc(ofTests, func(part string) bool { return strings.Contains(file, part) }) {
				report(d)
			}
		}
		return run(pass)
	}
	return a
}
