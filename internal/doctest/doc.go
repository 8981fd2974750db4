// Package doctest checks the blocks of Markdown documents: each by its language, and
// commands by running them. docs/contributing.md has the convention. It knows nothing of
// hullbeam but the names in that.
package doctest
