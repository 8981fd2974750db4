// Package stream knows who is listening and how bytes reach them: an index of
// topics and subscribers, conflation, the framing of server-sent events, sealed
// tokens, and the transports that write event streams to sockets. It does not
// know what a user or a trait is: users and topics are opaque strings here, and
// an event's data is bytes.
//
// # State, not messages
//
// A subscriber has one slot. It holds the latest state of the one user that the
// stream follows, and a newer state replaces one that was not written yet
// (conflation). Memory per stream is bounded however slow its reader is, and a
// publisher never waits for a reader.
//
// # Concurrency
//
// All methods of Broker and Subscriber may be called from any goroutine.
// Publish takes a read lock on one shard of the index per topic and the lock of
// each subscriber that it reaches, in that order; nothing takes them in another
// order, and neither is held while bytes are written. A subscriber's lock may be
// held when that of a loop of the reactor is taken. A socket's lock, under which it
// is written to, is taken before all of these, and by publishers only when it is
// free. New starts no goroutine. Drain returns when every stream has
// ended.
//
// # Bus
//
// Where nodes share a store, a [Bus] tells each of them what the others write of
// the users that it serves. It calls a [Listener] from its own goroutines, one
// for each Redis master, with no lock held.
//
// # Transports
//
// The reactor, on Linux, takes streams over plain HTTP/1 and writes to their
// sockets from a few loops, or from a publisher that reaches a few streams alone:
// Serve returns at once, and the stream is its loop's. The portable transport takes
// the connection, too, if there is one, and has two goroutines for each stream,
// which end with it; over HTTP/2 Serve returns when the stream has ended. Who
// subscribed hears of the end by the callback given to Subscribe. streamtest is the
// suite that all pass.
package stream
