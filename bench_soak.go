package main

import (
	"github.com/spf13/cobra"

	"hullbeam/bench"
)

func benchSoak(std stdio) *cobra.Command {
	b, k := &benchFlags{}, &bench.Soak{}
	cmd := &cobra.Command{
		Use:   "soak",
		Short: "Do everything at once for long: does anything grow, or get lost?",
		Long: `Do for long all that pages, Hull and operators do, at once and at rates that leave the
machine air: visitors come, stay, lose their connection, come back with their
Last-Event-ID and leave; their users are updated, by notifications and by the operators'
route; they are sent offers and look at pages; some stop to read; operators look at the
live view. Every few seconds each node is asked at /metrics.

FAILED is what was lost, refused or wrong, and goroutines, descriptors or memory that
have grown: docs/bench.md has what that means. Outages that are meant, such as restarts of
Redis, are told in --mark-file while they happen: lines "down Redis killed" and "up Redis".
Between them, and for --grace after, requests may be refused, and nothing may be lost.`,
		Example: `  hullbeam bench soak --duration 30m --json soak.json --plot soak.svg
  hullbeam bench soak --url http://127.0.0.1:8082,http://127.0.0.1:8083 --mark-file marks --connector shop --key hull.pem`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return b.run(cmd.Context(), *k, std, b.operator, b.signed)
		},
	}
	f := cmd.Flags()
	b.add(f)
	b.addSigned(f)
	d := bench.DefaultSoak()
	f.DurationVar(&k.Duration, "duration", d.Duration, "how long")
	f.IntVar(&k.Visitors, "visitors", d.Visitors, "visitors who are there at a time")
	f.DurationVar(&k.Stay, "stay", d.Stay, "how long a visitor stays, on average; one of ten stays ten times as long")
	f.IntVar(&k.Users, "users", d.Users, "different users that visitors are")
	f.IntVar(&k.Slow, "slow", d.Slow, "visitors besides who stop to read now and then")
	f.Float64Var(&k.Rate, "rate", d.Rate, "updates of users a second")
	f.Float64Var(&k.Views, "views", d.Views, "page views a second")
	f.Float64Var(&k.Offers, "offers", d.Offers, "offers a second")
	f.IntVar(&k.Operators, "operators", d.Operators, "operators who look at the live view of each node")
	f.DurationVar(&k.Sample, "sample", d.Sample, "time between two looks at /metrics")
	f.DurationVar(&k.WarmUp, "warm-up", 0, "time at the beginning in which things may grow (default: a fifth of --duration)")
	f.DurationVar(&k.Judged, "judged", d.Judged, "time that must be left after it to judge what grows")
	f.DurationVar(&k.Grace, "grace", d.Grace, "how soon a page must know its user's latest state, and after an outage")
	f.StringVar(&k.MarkFile, "mark-file", "", "file in which outages are told while they happen")
	return cmd
}
