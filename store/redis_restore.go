package store

import (
	"context"
	"encoding/binary"
)

// Restore writes back what a node remembers of users whom Redis has lost: it was
// emptied, or a replica took over that had not heard of the last writes. It
// returns how many it has written.
//
// A snapshot is written when Redis has no record of its user or one with a lower
// version: with its own version, StateAt, Topics and State, so that nobody who
// has that version is sent it again. It is published as a Put is, accepted at an
// unknown time and without news. Any other snapshot is not written, nor is one of
// version 0.
//
// A topic leads to the restored user unless who claimed it last has the same or
// a higher version: then it stays that user's, and the restored one loses it,
// after the publication. If the record has the snapshot's very version, the
// record's topics are treated so too: their keys are elsewhere, and may be lost
// alone.
//
// Any number of nodes may restore the same users, and put them, at once: the
// highest version of a user stays, and the next Put has a higher one. Round
// trips, errors, the life of what is written and RedisConfig.WaitReplicas are
// those of [Redis.Put]: after an error some may have been written, and to
// restore them again mends it.
func (s *Redis) Restore(ctx context.Context, connectorID string, snapshots []Snapshot) (restored int, err error) {
	doing := "restoring " + countUsers(len(snapshots))
	leave, err := s.enter(ctx, doing)
	if err != nil {
		return 0, err
	}
	defer leave()
	all := make([]*putting, len(snapshots))
	for i, snap := range snapshots {
		u := User{ID: snap.UserID, Topics: snap.Topics, StateAt: snap.StateAt, State: snap.State, Merged: snap.Merged}
		all[i] = newPutting(u, new(Written))
		all[i].exact = binary.BigEndian.AppendUint64(nil, snap.Version)
	}
	began := context.WithoutCancel(ctx) // what has begun is not interrupted
	if err := s.putAll(began, doing, connectorID, all); err != nil {
		return 0, err
	}
	var written []User
	for _, p := range all {
		if !p.result.Stale {
			written = append(written, p.user)
		}
	}
	return len(written), s.bound(began, connectorID, written)
}

// RestoreConnector stores c, which a node remembers, unless there is any record
// under its id: what somebody has put since, even a newer hullbeam, stays.
// stored tells which. Record, sealed secrets, errors and
// RedisConfig.WaitReplicas are those of [Redis.PutConnector].
func (s *Redis) RestoreConnector(ctx context.Context, c Connector) (stored bool, err error) {
	return s.putConnector(ctx, "restoring connector "+c.ID, c, false, "restore")
}
