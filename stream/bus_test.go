//go:build unix

package stream_test

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/redis/go-redis/v9/logging"

	"hullbeam/store"
	"hullbeam/store/storetest"
	"hullbeam/stream"
)

func init() { logging.Disable() } // what the client says of connections that tests cut

// heard is a Listener that keeps what it is told, as text.
type heard struct {
	mu       sync.Mutex
	said     []string
	versions map[string][]uint64 // of updates, by user
	missed   []stream.Channel
	last     stream.Update

	interrupted int // channels
}

func (h *heard) say(format string, args ...any) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.said = append(h.said, fmt.Sprintf(format, args...))
}

func (h *heard) Update(connector, user string, u stream.Update) {
	h.say("%s/%s %s topics %v gone %v news %s", connector, user, u.State, u.Topics, u.Gone, u.News)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.versions[user] = append(h.versions[user], u.Version)
	h.last = u
}

func (h *heard) Lost(connector, user string, l stream.Loss) {
	h.say("%s/%s lost %s to %s", connector, user, l.Topic, l.To)
}

func (h *heard) Led(connector, topic string, l stream.Lead) {
	h.say("%s/%s leads to %q", connector, topic, l.User)
}

func (h *heard) Told(connector string, data []byte) { h.say("%s is told %s", connector, data) }

func (h *heard) Interrupted(list []stream.Channel) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.interrupted += len(list)
}

func (h *heard) Missed(list []stream.Channel) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.missed = append(h.missed, list...)
}

func (h *heard) all() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return strings.Join(h.said, "; ")
}

func (h *heard) updates(user string) []uint64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.versions[user])
}

func (h *heard) missedCount() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.missed)
}

// nodes is a store and a node's bus on one Redis.
type nodes struct {
	testing.TB
	store *store.Redis
	bus   *stream.RedisBus
	heard *heard
}

// The intervals of canaries: often is for tests that wait for what comes of them,
// seldom for those that a canary which is late must not interrupt.
const (
	often  = 200 * time.Millisecond
	seldom = 5 * time.Second
)

func newNodes(t testing.TB, url string, canary time.Duration) *nodes {
	t.Helper()
	cfg := store.DefaultRedisConfig()
	cfg.URL, cfg.Publish, cfg.Sealer = url, true, storetest.NewSealer("secret")
	s, err := store.OpenRedis(cfg)
	if err != nil {
		t.Fatal(err)
	}
	cfg.Timeout = time.Second
	client, err := store.RedisClient(cfg)
	if err != nil {
		t.Fatal(err)
	}
	h := &heard{versions: map[string][]uint64{}}
	bus := stream.NewRedisBus(stream.BusConfig{
		Client: client, Listener: h, Linger: 50 * time.Millisecond, Canary: canary,
		Names: cfg,
	})
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- bus.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		s.Close()
	})
	return &nodes{TB: t, store: s, bus: bus, heard: h}
}

func (n *nodes) follow(kind stream.ChannelKind, name string) *stream.Subscription {
	n.TB.Helper()
	sub := n.bus.Follow(stream.Channel{Kind: kind, Connector: "c", Name: name})
	n.wait(sub)
	return sub
}

func (n *nodes) wait(sub *stream.Subscription) {
	n.TB.Helper()
	select {
	case <-sub.Ready():
	case <-time.After(10 * time.Second):
		n.TB.Fatal("a channel is not listened to after 10 s")
	}
}

func (n *nodes) put(users ...store.User) []store.Written {
	n.TB.Helper()
	written, err := n.store.Put(n.TB.Context(), "c", users)
	if err != nil {
		n.TB.Fatal(err)
	}
	return written
}

func (n *nodes) hears(want string) {
	n.TB.Helper()
	storetest.Eventually(n.TB, "the node hears "+want, func() bool { return n.heard.all() == want })
}

func user(id string, state string, topics ...string) store.User {
	return store.User{ID: id, Topics: topics, State: []byte(state)}
}

// onRedis runs a test with one server and with a Cluster.
func onRedis(t *testing.T, canary time.Duration, test func(t *testing.T, n *nodes, servers []*storetest.RedisServer)) {
	t.Run("one server", func(t *testing.T) {
		server := storetest.Redis(t)
		test(t, newNodes(t, server.URL(), canary), []*storetest.RedisServer{server})
	})
	t.Run("Cluster", func(t *testing.T) {
		servers, url := storetest.RedisCluster(t)
		test(t, newNodes(t, url, canary), servers)
	})
}

// A node hears of what it follows: states, topics that move, and what nodes tell
// each other, each once.
func TestBus(t *testing.T) {
	onRedis(t, seldom, func(t *testing.T, n *nodes, _ []*storetest.RedisServer) {
		n.follow(stream.UserChannel, "a")
		n.follow(stream.UserChannel, "a")
		n.follow(stream.TopicChannel, "email:x")
		n.follow(stream.ConnectorChannel, "")

		accepted := time.Date(2026, 3, 1, 12, 0, 0, 1000, time.UTC)
		u := user("a", "1", "id:a", "email:x")
		u.News, u.Accepted = []byte("Signed up"), accepted
		written := n.put(u, user("unheard", "1", "id:unheard"))
		want := `c/a 1 topics [email:x id:a] gone [] news Signed up; c/email:x leads to "a"`
		n.hears(want)
		n.heard.mu.Lock()
		if got := n.heard.last; got.Version != written[0].Version || !got.Accepted.Equal(accepted) {
			t.Errorf("version %d accepted %v, want %d %v", got.Version, got.Accepted, written[0].Version, accepted)
		}
		n.heard.mu.Unlock()

		n.put(user("b", "1", "email:x"))
		want += `; c/email:x leads to "b"; c/a lost email:x to b`
		storetest.Eventually(t, "a taken topic is told", func() bool { return len(n.heard.all()) == len(want) })
		n.put(user("b", "2"))
		n.put(user("a", "2"))
		if nodes, err := n.bus.Tell(t.Context(), "c", []byte("hello")); err != nil || nodes != 1 {
			t.Fatal(nodes, err)
		}
		for _, text := range []string{
			`c/email:x leads to "b"`, `c/a lost email:x to b`, `c/email:x leads to ""`, `c/a 2 topics [] gone [id:a] news `, `c is told hello`,
		} {
			storetest.Eventually(t, "it is told: "+text, func() bool { return strings.Count(n.heard.all(), text) == 1 })
		}
		if got := strings.Count(n.heard.all(), ";") + 1; got != 7 {
			t.Errorf("%d things are told, want 7: %s", got, n.heard.all())
		}
		if n.heard.missedCount() > 0 {
			t.Errorf("missed without an interruption: %v", n.heard.missed)
		}
	})
}

// Each update of a user comes once and in order, while writers race and
// connections are cut; what was missed is said.
func TestBusOrder(t *testing.T) {
	onRedis(t, seldom, func(t *testing.T, n *nodes, servers []*storetest.RedisServer) {
		const users = 20
		for i := range users {
			n.follow(stream.UserChannel, fmt.Sprint(i))
		}
		race := func(rounds int) {
			var writers sync.WaitGroup
			for range 4 {
				writers.Go(func() {
					for range rounds {
						var batch []store.User
						for i := range users {
							batch = append(batch, user(fmt.Sprint(i), "1", fmt.Sprint("id:", i)))
						}
						n.put(batch...)
					}
				})
			}
			writers.Wait()
		}
		check := func() {
			t.Helper()
			for i := range users {
				versions := n.heard.updates(fmt.Sprint(i))
				if !slices.IsSorted(versions) || len(slices.Compact(slices.Clone(versions))) != len(versions) {
					t.Errorf("user %d: versions %d", i, versions)
				}
			}
		}
		race(25)
		for i := range users {
			storetest.Eventually(t, "all updates have come", func() bool { return len(n.heard.updates(fmt.Sprint(i))) == 100 })
		}
		check()

		for _, s := range servers {
			s.Do("CLIENT", "KILL", "TYPE", "pubsub")
		}
		race(5)
		storetest.Eventually(t, "what was missed is told", func() bool { return n.heard.missedCount() == users })
		if n.heard.interrupted != users {
			t.Errorf("%d channels were said to be interrupted, of %d", n.heard.interrupted, users)
		}
		race(5)
		for i := range users {
			id := fmt.Sprint(i)
			last, err := n.store.Heads(t.Context(), "c", []string{id})
			if err != nil {
				t.Fatal(err)
			}
			storetest.Eventually(t, "the last update has come", func() bool {
				got := n.heard.updates(id)
				return got[len(got)-1] == last[0].Version
			})
		}
		check()
	})
}

// A channel is listened to as long as somebody wants it, and a little longer.
func TestBusReferences(t *testing.T) {
	server := storetest.Redis(t)
	n := newNodes(t, server.URL(), seldom)
	listened := func() int { return len(server.Do("PUBSUB", "CHANNELS", "hb:@u*").([]any)) }
	first, second := n.follow(stream.UserChannel, "a"), n.follow(stream.UserChannel, "a")
	other := n.follow(stream.UserChannel, "b")
	first.Release()
	other.Release() // later, so that first has lingered when this one is gone
	storetest.Eventually(t, "one channel is listened to", func() bool { return listened() == 1 })
	n.put(user("a", "1"))
	n.hears("c/a 1 topics [] gone [] news ")
	second.Release()
	third := n.follow(stream.UserChannel, "a") // within its time
	third.Release()
	storetest.Eventually(t, "nobody listens", func() bool { return listened() == 0 })
	n.put(user("a", "2"))
	n.follow(stream.UserChannel, "a")
	n.put(user("a", "3"))
	n.hears("c/a 1 topics [] gone [] news ; c/a 3 topics [] gone [] news ")

	for range 50 { // followed and released at once, in all orders
		var subs []*stream.Subscription
		for i := range 20 {
			subs = append(subs, n.bus.Follow(stream.Channel{Kind: stream.UserChannel, Connector: "c", Name: fmt.Sprint("u", i)}))
		}
		for _, sub := range subs {
			sub.Release()
		}
	}
	storetest.Eventually(t, "one is listened to", func() bool { return listened() == 1 })
	n.follow(stream.UserChannel, "u7")
	n.put(user("u7", "x"))
	storetest.Eventually(t, "it is heard", func() bool { return strings.HasSuffix(n.heard.all(), "c/u7 x topics [] gone [] news ") })
}

// Ready tells the truth: frozen, gone, or deaf, and back again.
func TestBusReady(t *testing.T) {
	onRedis(t, often, func(t *testing.T, n *nodes, servers []*storetest.RedisServer) {
		ready := func() bool { return n.bus.Ready() == nil }
		within := func(what string, want bool) {
			t.Helper()
			began := time.Now()
			storetest.Eventually(t, what, func() bool { return ready() == want })
			took := time.Since(began)
			t.Logf("%s: %v", what, took.Round(time.Millisecond))
			if took > 5*time.Second {
				t.Errorf("%s takes %v", what, took)
			}
		}
		within("ready at first", true)
		for i := range 30 {
			n.follow(stream.UserChannel, fmt.Sprint(i))
		}
		victim := servers[0]
		victim.Freeze()
		within("not ready when frozen", false)
		victim.Thaw()
		within("ready when thawed", true)
		if err := n.bus.Canary(t.Context()); err != nil {
			t.Error(err)
		}
		if len(servers) > 1 {
			return // without a replica a Cluster stays down when a master dies
		}
		victim.Kill()
		within("not ready when gone", false)
		early := n.bus.Follow(stream.Channel{Kind: stream.UserChannel, Connector: "c", Name: "early"})
		victim.Start()
		within("ready when back", true)
		n.wait(early)
		storetest.Eventually(t, "all is said to be missed", func() bool { return n.heard.missedCount() >= 30 })
		n.put(user("early", "1"), user("7", "1"))
		storetest.Eventually(t, "updates come", func() bool {
			return strings.Contains(n.heard.all(), "c/early 1") && strings.Contains(n.heard.all(), "c/7 1")
		})
	})
}

// When a master dies the bus goes to its successor, and says what it has missed.
func TestBusFailover(t *testing.T) {
	master, _, url := storetest.RedisSentinel(t)
	n := newNodes(t, url, often)
	for i := range 30 {
		n.follow(stream.UserChannel, fmt.Sprint(i))
	}
	storetest.Eventually(t, "it is ready", func() bool { return n.bus.Ready() == nil })
	master.Kill()
	storetest.Eventually(t, "it is not ready", func() bool { return n.bus.Ready() != nil })
	began := time.Now()
	storetest.Eventually(t, "it is ready again", func() bool { return n.bus.Ready() == nil })
	t.Logf("ready %v after it was not", time.Since(began).Round(time.Millisecond))
	storetest.Eventually(t, "all is said to be missed", func() bool { return n.heard.missedCount() >= 30 })
	n.put(user("7", "1"))
	n.hears("c/7 1 topics [] gone [] news ")
}

// When a slot moves to another master the bus follows its channels there.
func TestBusSlotMoves(t *testing.T) {
	servers, url := storetest.RedisCluster(t)
	n := newNodes(t, url, often)
	n.follow(stream.UserChannel, "a")
	slot := servers[0].Do("CLUSTER", "KEYSLOT", "{c:a}").(int64)
	owner := int(slot * 3 / 16384)
	from, to := servers[owner], servers[(owner+1)%3]
	id := to.Do("CLUSTER", "MYID")
	to.Do("CLUSTER", "SETSLOT", slot, "IMPORTING", from.Do("CLUSTER", "MYID"))
	from.Do("CLUSTER", "SETSLOT", slot, "MIGRATING", id)
	to.Do("CLUSTER", "SETSLOT", slot, "NODE", id) // the others believe it by its new epoch
	for _, s := range servers {
		s.Do("CLUSTER", "SETSLOT", slot, "NODE", id)
	}
	storetest.Eventually(t, "it is said to be missed", func() bool { return n.heard.missedCount() > 0 })
	storetest.Eventually(t, "the store writes there", func() bool {
		_, err := n.store.Put(t.Context(), "c", []store.User{user("a", "1")})
		return err == nil
	})
	n.hears("c/a 1 topics [] gone [] news ")
}

// A bus whose connection is there, but hears nothing, replaces it.
func TestBusDeaf(t *testing.T) {
	server := storetest.Redis(t)
	deaf := newDeafProxy(t, server.Addr)
	n := newNodes(t, "redis://"+deaf.addr, often)
	n.follow(stream.UserChannel, "a")
	storetest.Eventually(t, "it is ready", func() bool { return n.bus.Ready() == nil })
	deaf.silence()
	storetest.Eventually(t, "it is not ready", func() bool { return n.bus.Ready() != nil })
	storetest.Eventually(t, "it is ready again", func() bool { return n.bus.Ready() == nil })
	n.put(user("a", "1"))
	n.hears("c/a 1 topics [] gone [] news ")
	if n.heard.missedCount() == 0 {
		t.Error("what it has missed is not said")
	}
}

// deafProxy lets connections through until it is told to lose, of those that
// are subscribed now, whatever the server says.
type deafProxy struct {
	addr string

	mu         sync.Mutex
	subscribed map[net.Conn]bool // by the server's side
	silent     map[net.Conn]bool
}

func newDeafProxy(t *testing.T, server string) *deafProxy {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &deafProxy{addr: l.Addr().String(), subscribed: map[net.Conn]bool{}, silent: map[net.Conn]bool{}}
	var running sync.WaitGroup
	t.Cleanup(func() {
		l.Close()
		running.Wait()
	})
	running.Go(func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			back, err := net.Dial("tcp", server)
			if err != nil {
				client.Close()
				continue
			}
			running.Go(func() { p.pass(client, back, true, back) })
			running.Go(func() { p.pass(back, client, false, back) })
		}
	})
	return p
}

// pass copies from one side to the other until one ends.
func (p *deafProxy) pass(from, to net.Conn, asked bool, server net.Conn) {
	defer from.Close()
	defer to.Close()
	buf := make([]byte, 1<<16)
	for {
		n, err := from.Read(buf)
		if err != nil {
			return
		}
		p.mu.Lock()
		if asked && strings.Contains(string(buf[:n]), "subscribe") {
			p.subscribed[server] = true
		}
		lose := !asked && p.silent[server]
		p.mu.Unlock()
		if lose {
			continue
		}
		if _, err := to.Write(buf[:n]); err != nil {
			return
		}
	}
}

func (p *deafProxy) silence() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.subscribed {
		p.silent[c] = true
	}
}

// A bus that has ended leaves nothing behind, also when Redis was never there.
func TestBusEnds(t *testing.T) {
	n := newNodes(t, "redis://127.0.0.1:1", often)
	n.bus.Follow(stream.Channel{Kind: stream.UserChannel, Connector: "c", Name: "a"})
	storetest.Eventually(t, "it says that it has no connection", func() bool { return n.bus.Ready() != nil })
	if _, err := n.bus.Tell(t.Context(), "c", nil); err == nil {
		t.Error("told nobody, without an error")
	}
}

// A message of a newer node is missed, and said to be.
func TestBusNewerMessage(t *testing.T) {
	server := storetest.Redis(t)
	n := newNodes(t, server.URL(), seldom)
	n.follow(stream.UserChannel, "a")
	server.Do("PUBLISH", "hb:@u:{c:a}", "\x02what it is now")
	storetest.Eventually(t, "it is missed", func() bool { return n.heard.missedCount() == 1 })
}

func TestMessages(t *testing.T) {
	for _, test := range []struct {
		text string
		want any
	}{
		{"\x01u" + "\x00\x00\x00\x00\x00\x00\x00\x07" + "\x00\x00\x00\x00\x00\x00\x00\x00" +
			"\x00\x00\x00\x04\x00\x00\x00\x02\x00\x00\x00\x03" + "\x01a\x01b" + "\x01b" + "new" + "{}",
			stream.Update{Version: 7, Topics: []string{"b"}, Gone: []string{"a"}, News: []byte("new"), State: []byte("{}")}},
		{"\x01l\x00\x00\x00\x01tu", stream.Loss{Topic: "t", To: "u"}},
		{"\x01t\x00\x00\x00\x00\x00\x00\x00\x07\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01nu", stream.Lead{Version: 7, User: "u", News: []byte("n")}},
		{"\x01chello", []byte("hello")},
		{"\x01c", []byte{}},
		{"", nil}, {"\x01", nil}, {"\x01x", nil}, {"\x00u", nil}, {"\x02u", nil},
		{"\x01u\x00", nil}, {"\x01l\x00\x00\x00\x02t", nil}, {"\x01t\x00", nil},
	} {
		got, err := stream.DecodeMessage(test.text)
		if (err != nil) != (test.want == nil) {
			t.Errorf("%q: %v", test.text, err)
		} else if diff := cmp.Diff(test.want, got, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("%q (-want +got):\n%s", test.text, diff)
		}
	}
}

// FuzzDecodeMessage: whatever comes, it neither panics nor takes more than it is
// long.
func FuzzDecodeMessage(f *testing.F) {
	f.Add("\x01u" + strings.Repeat("\x00", 28) + "{}")
	f.Add("\x01u" + strings.Repeat("\x00", 16) + "\x00\x00\x00\x02\x00\x00\x00\x02\x00\x00\x00\x01\x01a\x01bn{}")
	f.Add("\x01l\x00\x00\x00\x01tu")
	f.Add("\x01t\x00\x00\x00\x00\x00\x00\x00\x07u")
	f.Add("\x01cx")
	f.Add("\x02")
	f.Fuzz(func(t *testing.T, text string) {
		m, err := stream.DecodeMessage(text)
		if u, ok := m.(stream.Update); err == nil && ok {
			size := len(u.News) + len(u.State)
			for _, topic := range slices.Concat(u.Topics, u.Gone) {
				size += len(topic)
			}
			if size > len(text) {
				t.Errorf("%d bytes out of %d", size, len(text))
			}
		}
	})
}
