package main

import (
	"context"
	"fmt"
)

// boundDescriptors keeps streams and connections within the file descriptors that the
// process may have, so that some are left for the store, Hull and Redis: what is above is
// told to come back, rather than that nothing can be accepted or opened any more.
func (n *node) boundDescriptors(context.Context) error {
	limit, known := descriptorLimit()
	if !known {
		return nil
	}
	wanted := n.cfg.Stream.MaxStreams
	streams, connections := shareDescriptors(limit, wanted, n.cfg.Limits.Connections)
	if wanted == 0 {
		n.log.Info("file descriptors bound the streams: stream.max_streams is not set", "descriptors", limit, "streams", streams, "connections", connections)
	} else if streams < wanted {
		n.log.Warn(fmt.Sprintf("stream.max_streams is more than the file descriptors allow: raise their limit (ulimit -n) to %d", descriptorsFor(wanted, n.cfg.Limits.Connections)),
			"descriptors", limit, "streams", streams, "connections", connections)
	}
	n.cfg.Stream.MaxStreams, n.cfg.Limits.Connections = streams, connections
	return nil
}

// reserve is how many descriptors are for neither streams nor connections: the store's
// files and the connections to Redis and Hull are some dozens. Half of them, at most.
func reserve(limit int) int { return min(limit/2, max(128, limit/10)) }

// shareDescriptors is how many streams and other connections so many descriptors are good
// for, at most as many as are wanted; 0: as many as possible. The other connections get a
// quarter.
func shareDescriptors(limit, streams, connections int) (mostStreams, mostConnections int) {
	room := max(2, limit-reserve(limit))
	mostConnections = max(1, room/4)
	if connections > 0 {
		mostConnections = min(mostConnections, connections)
	}
	if mostStreams = room - mostConnections; streams > 0 {
		mostStreams = min(mostStreams, streams)
	}
	return mostStreams, mostConnections
}

// descriptorsFor is a limit that is good for so many streams beside connections.
func descriptorsFor(streams, connections int) int {
	for limit := 256; ; limit *= 2 {
		if most, _ := shareDescriptors(limit, streams, connections); most >= streams {
			return limit
		}
	}
}
