package doctest

import (
	"regexp"
	"strings"
)

// Command is what a block has to be typed, and what is printed then.
type Command struct {
	Text   string
	Output string // as the document has it; empty: anything
}

// Commands are those of a block of shell: one for each prompt, with the lines under it, or
// the whole block when it has no prompts.
func Commands(block string) []Command {
	if !strings.HasPrefix(block, "$ ") && !strings.Contains(block, "\n$ ") {
		return []Command{{Text: block}}
	}
	var commands []Command
	goesOn := false
	for line := range strings.Lines(block) {
		typed, prompt := strings.CutPrefix(line, "$ ")
		more, second := strings.CutPrefix(line, "> ")
		switch {
		case prompt:
			commands = append(commands, Command{Text: typed})
		case len(commands) == 0:
			continue // above the first prompt there is nothing to say
		default:
			c := &commands[len(commands)-1]
			switch {
			case second && c.Output == "":
				typed, goesOn = more, true
				c.Text += typed
			case goesOn && c.Output == "":
				c.Text += typed
			default:
				c.Output += line
			}
		}
		goesOn = strings.HasSuffix(strings.TrimRight(typed, "\n"), `\`)
	}
	return commands
}

// Pattern is what output has to be like for a document that shows this: … is anything on a
// line, and alone on one any lines.
func Pattern(shown string) string {
	var b strings.Builder
	for line := range strings.Lines(strings.TrimRight(shown, "\n ") + "\n") {
		line = strings.TrimRight(line, " \t\n")
		if strings.TrimSpace(line) == "…" {
			b.WriteString(`(?:[^\n]*\n)*?`)
			continue
		}
		for i, part := range strings.Split(line, "…") {
			if i > 0 {
				b.WriteString(`[^\n]*`)
			}
			b.WriteString(regexp.QuoteMeta(part))
		}
		b.WriteString(`[ \t]*\n`)
	}
	return b.String()
}
