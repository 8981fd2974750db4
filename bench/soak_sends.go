package bench

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"
)

const (
	sendLanes  = 2  // that send updates: each has users of its own, whose updates stay in order
	sendBatch  = 5  // updates of a request
	updateSize = 64 // bytes of what an update carries
	viewLanes  = 2

	// What fills the connection of one who does not read: 128 KiB/s.
	fillSize  = 32 << 10
	fillEvery = 250 * time.Millisecond
)

// paced does something at a rate until ctx ends. What is late is done at once, up to a
// second of it.
func paced(ctx context.Context, rate float64, do func(n int)) {
	period := int64(1e9 / rate)
	due := clock()
	for n := 0; sleep(ctx, time.Duration(due-clock())) == nil; n++ {
		do(n)
		due = max(due+period, clock()-int64(time.Second))
	}
}

// taken sends a request to one node after the other until one takes it, and tells whether
// one did before ctx ended.
func (y *soaking) taken(ctx context.Context, what string, clients []*client, request func(node int) []byte, before func()) bool {
	for try := rand.IntN(len(clients)); ctx.Err() == nil; try++ {
		node := try % len(clients)
		before()
		a, err := clients[node].do(ctx, request(node))
		switch {
		case ctx.Err() != nil:
		case err == nil && a.status/100 == 2:
			return true
		default:
			y.refused(what, a, err)
			_ = sleep(ctx, max(a.wait, time.Second))
		}
	}
	return false
}

// clients are one for each node.
func (y *soaking) clients() (clients []*client, done func()) {
	for node := range y.session.server.nodes {
		clients = append(clients, y.session.server.client(node))
	}
	return clients, func() {
		for _, c := range clients {
			c.close()
		}
	}
}

// sendUpdates sends those of a share of the users, in turns as notifications, if it can
// sign, and by the operators' route.
func (y *soaking) sendUpdates(ctx context.Context, lane int) {
	users := share(y.Users, sendLanes, lane)
	if users == 0 {
		return
	}
	batch := min(sendBatch, users)
	clients, done := y.clients()
	defer done()
	paced(ctx, y.Rate/sendLanes/float64(batch), func(n int) {
		who := make([]int, batch)
		for i := range who {
			who[i] = (n*batch+i)%users*sendLanes + lane
		}
		id := ""
		if n%2 == 0 && y.session.cfg.Sign != nil {
			id = fmt.Sprintf("soak-%s-%d-%d", y.session.run, lane, n)
		}
		y.update(ctx, clients, id, updateSize, who...)
	})
}

// update sends an update of each of these users: as a notification, if there is an id for it.
func (y *soaking) update(ctx context.Context, clients []*client, id string, size int, users ...int) {
	var messages []byte
	for _, user := range users {
		messages = y.session.appendMessage(messages, mark{y.session.epoch, uint32(user), y.prepare(theUpdate, user)}, size)
	}
	what, headers := ViaUsers, y.session.operatorHeader()
	if id != "" {
		what, headers = ViaNotifications, y.session.notificationHeaders(id)
	}
	request := func(node int) []byte { return y.session.updateRequest(node, id, headers, messages) }
	if y.taken(ctx, what, clients, request, func() { y.again(theUpdate, users...) }) {
		y.took(theUpdate, users...)
		y.count("requests_via_" + what)
	}
}

// fill updates the user of the slow visitors.
func (y *soaking) fill(ctx context.Context) {
	clients, done := y.clients()
	defer done()
	paced(ctx, float64(time.Second)/float64(fillEvery), func(int) { y.update(ctx, clients, "", fillSize, y.Users) })
}

// sendOffers sends offers to users who are there. After five minutes as many expire as come.
func (y *soaking) sendOffers(ctx context.Context) {
	clients, done := y.clients()
	defer done()
	paced(ctx, y.Offers, func(n int) {
		user, token := y.someone()
		if token == "" {
			return
		}
		m := mark{y.session.epoch, uint32(user), y.prepare(theOffer, user)}
		body := fmt.Appendf(nil, `{"id":"soak-%s-%d","to":{"topic":"anonymous_id:%s"},"data":{"bench":"%s"},"expires_in":"5m"}`,
			y.session.run, n, y.session.visitor(user), m.append(nil))
		path := "/api/v1/connectors/" + y.session.server.connector + "/offers"
		request := func(node int) []byte { return y.session.server.post(node, path, y.session.operatorHeader(), body) }
		if y.taken(ctx, "offers", clients, request, func() {}) {
			y.took(theOffer, user)
			y.count("offers")
		}
	})
}

// receipt is what a page tells of an offer that it was sent.
type receipt struct{ token, offer string }

// sendViews tells of page views of those who are there, and of offers that they have seen.
func (y *soaking) sendViews(ctx context.Context) {
	paced(ctx, y.Views/viewLanes, func(int) {
		node := rand.IntN(len(y.session.server.nodes))
		select {
		case r := <-y.receipts:
			y.post(ctx, "receipts", node, y.session.server.post(node, "/api/v1/offers/"+r.offer+"/receipt",
				"Origin: "+y.session.server.origin+"\r\n", fmt.Appendf(nil, `{"token":"%s","event":"seen"}`, r.token)))
		default:
		}
		if _, token := y.someone(); token != "" {
			y.post(ctx, "views", node, y.session.server.viewRequest(node, y.view(token)))
		}
	})
}

// view is one of some thousand pages.
func (y *soaking) view(token string) *told {
	page := rand.IntN(4000)
	return &told{
		token: token, view: fmt.Sprintf("%s-%016x", y.session.run, rand.Uint64()), tab: "t1",
		path: fmt.Sprintf("/en/category-%d/product-%d", page%40, page), title: fmt.Sprintf("Product %d", page),
		referrer: fmt.Sprintf("/en/category-%d", page%40), localTime: time.Now().Format("2006-01-02T15:04:05.000Z07:00"),
	}
}

// post sends what a page says once.
func (y *soaking) post(ctx context.Context, what string, node int, request []byte) {
	a, err := y.once(ctx, node, request)
	switch {
	case ctx.Err() != nil:
	case err == nil && a.status/100 == 2:
		y.count(what)
	default:
		y.refused(what, a, err)
	}
}
