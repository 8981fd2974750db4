// Package hull knows what Hull says and means: claims and their proof, the
// notifications that Hull sends and how they are signed, the settings of a
// connector, the payload that a browser may see of a user, and Hull's REST API.
//
// Everything but verify.go and client.go is pure. The package keeps no state
// but the verifier's keys and the client's look-ups in flight, and knows
// neither browsers nor storage. The rules are those of
// docs/hull-protocol.md.
package hull
