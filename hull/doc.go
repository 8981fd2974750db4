// Package hull knows what Hull says and means: claims and their proof, the
// notifications that Hull sends and how they are signed, the settings of a
// connector, the payload that a browser may see of a user, Hull's REST API and its
// firehose.
//
// Everything but the Verifier, the Client, the Firehose and Pace is pure. Those keep in
// memory, and within bounds, what they need: the Verifier the keys and certificates that
// it has fetched; the Client its look-ups under way, what Hull did not know lately, and
// with which hosts it has had no luck, as the Firehose does, which has a queue besides;
// Pace how long notifications took. The package keeps nothing of users beyond these, and
// knows neither browsers nor storage. The rules are those of docs/hull-protocol.md.
package hull
