package attack

import (
	"context"
	"fmt"
	"io"
	"strings"
	"sync"
	"text/tabwriter"
)

// Attack is a row of the table.
type Attack struct {
	Name  string // what is sent, as it reads behind its group
	Group string
	Refs  string // where it is said what must come of it

	slow  bool                 // it takes seconds, and disturbs no other: slow ones run beside the rest
	needs func(*Target) string // why a target cannot be attacked like that; "": it can
	run   func(*try)
}

// Result is what became of an attack.
type Result struct {
	Attack
	Answered string   // what the server said
	Faults   []string // why it is not refused as it should be; none: it is
	LeftOut  string   // why it was not tried; "": it was
}

// group gives attacks their group and what they are judged by.
func group(name, refs string, attacks ...Attack) []Attack {
	for i := range attacks {
		attacks[i].Group, attacks[i].Refs = name, refs
	}
	return attacks
}

func row(name string, run func(*try)) Attack { return Attack{Name: name, run: run} }

// slowly marks an attack that waits for a time-out of the server's.
func slowly(a Attack) Attack {
	a.slow = true
	return a
}

// Table is all attacks, in the order in which they are tried: floods come last, since
// they use up what the address may do.
func Table() []Attack {
	var table []Attack
	for _, of := range []func() []Attack{
		identityTokens, claims, streamTokens, origins, tenants, operators, notifications, fetches,
		sizes, smuggling, lineBreaks, paths, forwarding, floods,
	} {
		table = append(table, of()...)
	}
	return table
}

// Run tries the attacks on a target that Prepare has prepared. The slow ones run beside
// the others. It returns what became of each, in their order.
func Run(ctx context.Context, t *Target, attacks []Attack) []Result {
	results := make([]Result, len(attacks))
	look := &try{Target: t, ctx: ctx}
	before := look.look()
	var slow sync.WaitGroup
	for i, a := range attacks {
		if a.slow {
			slow.Go(func() { results[i] = t.attempt(ctx, a, nil) })
		}
	}
	for i, a := range attacks {
		if !a.slow {
			results[i] = t.attempt(ctx, a, &before)
		}
	}
	slow.Wait()
	look.unchanged(&before)
	return append(results, look.result(Attack{Group: "all of them", Name: "what the slow ones have changed"}))
}

// attempt tries one attack. before is what was there before it, and is afterwards what is
// there now; nil: others look.
func (t *Target) attempt(ctx context.Context, a Attack, before *state) Result {
	if a.needs != nil {
		if reason := a.needs(t); reason != "" {
			return Result{Attack: a, LeftOut: reason}
		}
	}
	x := &try{Target: t, ctx: ctx, from: t.nextAddress()}
	x.protect(a.run)
	x.from = ""
	if before != nil {
		x.unchanged(before)
	}
	return x.result(a)
}

func (x *try) result(a Attack) Result {
	return Result{Attack: a, Answered: strings.Join(x.said, "; "), Faults: x.faults}
}

// Print writes a table of results, and returns how many attacks got through.
func Print(w io.Writer, results []Result) (through int) {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "GROUP\tATTACK\tANSWERED\tOK")
	leftOut := 0
	for _, r := range results {
		verdict, answered := "ok", r.Answered
		switch {
		case r.LeftOut != "":
			leftOut++
			verdict, answered = "left out", r.LeftOut
		case len(r.Faults) > 0:
			through++
			verdict = "FAILED: " + strings.Join(r.Faults, "; ")
		}
		fmt.Fprintf(table, "%s\t%s\t%.60s\t%s\n", r.Group, r.Name, answered, verdict)
	}
	table.Flush()
	fmt.Fprintf(w, "\n%d attacks, %d got through, %d left out\n", len(results)-leftOut, through, leftOut)
	return through
}
