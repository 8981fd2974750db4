// Package prometheus has no code: its tests run a real Prometheus with the rules of
// this directory, as they are shipped but for their times, beside nodes that work and
// then break. Each expression of the rules and of ../grafana/dashboard.json has to
// have a value, and each alert has to fire in the fault that it is for, and not
// before.
package prometheus
