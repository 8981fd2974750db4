// Package clustertest has no code of its own: its tests run hullbeam as it is run
// in production. Several nodes are processes that share a real Redis, a balancer
// stands in front, thousands of pages hold streams, somebody sends updates all
// along, and then things break. What it knows of hullbeam is what pages,
// operators and balancers know: docs/protocol.md.
//
// HULLBEAM_SOAK=10m has TestChaos go on for so long, with faults by chance: make
// soak. -artifacts keeps all that the nodes have said.
package clustertest
