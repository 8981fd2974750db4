package api

import "time"

// remoteNode is another node as a live view knows it, guarded by the view's lock.
type remoteNode struct {
	heard    time.Time
	whole    changes // what has come of all who are there
	answered bool    // all of it has come once
}

// hear enters what a node has told, and returns whom it concerns.
func (v *liveView) hear(p toldPresence) (touched []string) {
	v.mu.Lock()
	n := v.nodes[p.Node]
	if n == nil {
		n = &remoteNode{}
		v.nodes[p.Node] = n
	}
	n.heard = time.Now()
	if p.First {
		n.whole = changes{}
	}
	if p.To != "" {
		n.whole.present = append(n.whole.present, p.Present...)
	}
	whole := n.whole
	if p.Last {
		n.whole, n.answered = changes{}, true
	}
	v.mu.Unlock()
	switch {
	case p.Last:
		return v.take(p.Node, whole, true)
	case p.To != "":
		return nil // there is more
	}
	return v.take(p.Node, changes{p.Present, p.Left}, false)
}

// knows tells whether the node has told something.
func (v *liveView) knows(node string) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.nodes[node] != nil
}

// answers is how many nodes have told of all who are there.
func (v *liveView) answers() (n int) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, node := range v.nodes {
		if node.answered {
			n++
		}
	}
	return n
}

// dropSilent takes the visitors of nodes that were silent for so long out of the view.
func (v *liveView) dropSilent(life time.Duration) (touched []string) {
	v.mu.Lock()
	var silent []string
	for node, n := range v.nodes {
		if time.Since(n.heard) > life {
			silent = append(silent, node)
			delete(v.nodes, node)
		}
	}
	v.mu.Unlock()
	for _, node := range silent {
		touched = append(touched, v.take(node, changes{}, true)...)
	}
	return touched
}
