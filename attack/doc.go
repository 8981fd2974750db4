// Package attack is a table of attacks on a running server, each of which must be
// refused with the right answer and change nothing. It knows the server from outside
// only, over HTTP and bare sockets, so that the same table holds for a server that a
// test starts and for one that has been running for a month.
//
// Run makes two connectors for itself, the victim and the foe, with a user, a visitor
// and an offer each, and takes them away afterwards. What there is besides it does not
// touch. Before and after each attack it looks at what could have changed; see
// unchanged.go. That an attack is refused, and how, each row of the table says.
//
// Attacks that have the server fetch from somewhere name a listener of this package's,
// the bait. Whatever connects to it has got through. What can only be had inside the
// process, a name that resolves to something else the second time, is tested in
// hull/dial_test.go.
package attack
