//go:build unix

package store_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/redis/go-redis/v9"

	"hullbeam/store"
	"hullbeam/store/storetest"
)

// lossy is a Redis that loses what it has, and a node.
type lossy struct {
	*testing.T
	*store.Redis
	servers []*storetest.RedisServer
	cfg     store.RedisConfig
}

// onLossy runs a test on one server and on a Cluster.
func onLossy(t *testing.T, run func(l *lossy)) {
	one := storetest.Redis(t)
	servers, url := storetest.RedisCluster(t)
	for name, l := range map[string]*lossy{
		"One":     {servers: []*storetest.RedisServer{one}, cfg: redisConfig(one.URL())},
		"Cluster": {servers: servers, cfg: redisConfig(url)},
	} {
		t.Run(name, func(t *testing.T) {
			l.T, l.Redis = t, openRedis(t, l.cfg)
			run(l)
		})
	}
}

// node opens another one, whose clock says the version that it gives.
func (l *lossy) node(version uint64) *store.Redis {
	l.Helper()
	cfg := l.cfg
	cfg.Now = func() time.Time { return time.UnixMicro(int64(version)) }
	return openRedis(l.T, cfg)
}

func (l *lossy) flush() {
	for _, s := range l.servers {
		s.Do("FLUSHALL")
	}
}

// restore restores users, of which so many are to be written.
func (l *lossy) restore(want int, snapshots ...store.Snapshot) {
	l.Helper()
	got, err := l.Restore(l.Context(), "c", snapshots)
	if err != nil {
		l.Fatal(err)
	}
	if got != want {
		l.Errorf("%d users were restored, want %d", got, want)
	}
}

// has checks what is stored of users, and that their topics lead to them.
func (l *lossy) has(want ...store.Snapshot) {
	l.Helper()
	var ids []string
	for _, snap := range want {
		ids = append(ids, snap.UserID)
	}
	got, err := l.Snapshots(l.Context(), "c", ids)
	if err != nil {
		l.Fatal(err)
	}
	if d := cmp.Diff(want, got, cmpopts.EquateEmpty()); d != "" {
		l.Errorf("snapshots (-want +got):\n%s", d)
	}
	for _, snap := range want {
		for _, topic := range snap.Topics {
			l.leads(topic, snap.UserID)
		}
	}
}

// leads checks whom a topic leads to; "": nobody.
func (l *lossy) leads(topic, want string) {
	l.Helper()
	got, _, err := l.Find(l.Context(), "c", []string{topic})
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		l.Fatal(err)
	}
	if got.UserID != want {
		l.Errorf("%s leads to %q, want %q", topic, got.UserID, want)
	}
}

// listen subscribes to a user's channel; next is the message that comes then.
func (l *lossy) listen(userID string) (next func() string) {
	l.Helper()
	client, err := store.RedisClient(l.cfg)
	if err != nil {
		l.Fatal(err)
	}
	l.Cleanup(func() { client.Close() })
	subscribe := client.Subscribe
	if len(l.servers) > 1 {
		subscribe = client.SSubscribe
	}
	sub := subscribe(l.Context(), l.cfg.UserChannel("c", userID))
	l.Cleanup(func() { sub.Close() })
	if _, err := sub.Receive(l.Context()); err != nil {
		l.Fatal(err)
	}
	return func() string {
		l.Helper()
		ctx, cancel := context.WithTimeout(l.Context(), 20*time.Second)
		defer cancel()
		m, err := sub.ReceiveMessage(ctx)
		if err != nil {
			l.Fatal(err)
		}
		return m.Payload
	}
}

// remembered is a user as a node has it in memory.
func remembered(id string, version uint64, topics ...string) store.Snapshot {
	slices.Sort(topics)
	return store.Snapshot{
		UserID: id, Version: version, Topics: topics, StateAt: time.UnixMicro(int64(version) - 5).UTC(),
		State: fmt.Appendf(nil, `{"id":%q,"version":%d}`, id, version),
	}
}

func TestRedisRestore(t *testing.T) {
	onLossy(t, func(l *lossy) {
		for _, test := range []struct {
			name string
			run  func(*lossy)
		}{
			{"Everything", (*lossy).everything},
			{"OverNewer", (*lossy).overNewer},
			{"OverOlder", (*lossy).overOlder},
			{"InBothOrders", (*lossy).inBothOrders},
			{"WithinOneRestore", (*lossy).withinOneRestore},
			{"TopicOfNewer", (*lossy).topicOfNewer},
			{"TopicOfOlder", (*lossy).topicOfOlder},
			{"TopicsAlone", (*lossy).topicsAlone},
			{"TopicsOfPutUnderWay", (*lossy).topicsOfPutUnderWay},
			{"HalfDone", (*lossy).halfDone},
			{"Published", (*lossy).published},
			{"TakenBeforeTheClaim", (*lossy).takenBeforeTheClaim},
			{"TakenBeforeTheRelief", (*lossy).takenBeforeTheRelief},
			{"LostMeanwhile", (*lossy).lostMeanwhile},
			{"Connector", (*lossy).connector},
		} {
			l.T.Run(test.name, func(t *testing.T) {
				l.flush()
				test.run(&lossy{t, l.Redis, l.servers, l.cfg})
			})
		}
	})
}

// What was put is restored as it was, and what is put then goes on from there.
func (l *lossy) everything() {
	var ids, topics []string
	var list []store.User
	for n := range 30 {
		u := store.User{ID: fmt.Sprint("u", n), State: fmt.Appendf(nil, `{"n":%d}`, n)}
		for i := range n % 5 {
			u.Topics = append(u.Topics, fmt.Sprint("id:", n, "-", i))
		}
		if n%3 > 0 {
			u.StateAt = time.UnixMicro(int64(1e15 + n)).UTC()
		}
		list, ids, topics = append(list, u), append(ids, u.ID), append(topics, u.Topics...)
	}
	put(l.T, l.Redis, list)
	before, err := l.Snapshots(l.Context(), "c", ids)
	if err != nil || len(before) != len(list) {
		l.Fatal(len(before), err)
	}
	l.flush()
	if got, err := versions(l.Heads(l.Context(), "c", ids)); err != nil || slices.Max(got) != 0 {
		l.Fatalf("after a loss the versions are %d, %v", got, err)
	}
	l.restore(30, before...)
	l.has(before...)
	l.restore(0, before...)
	l.has(before...)
	led, err := l.Leads(l.Context(), "c", append(topics, "nobody's"))
	if err != nil || slices.Contains(led[:len(topics)], "") || led[len(topics)] != "" {
		l.Errorf("topics lead to %q, %v", led, err)
	}

	written, err := l.Put(l.Context(), "c", list)
	if err != nil {
		l.Fatal(err)
	}
	for i, w := range written {
		if w.Stale || w.Version <= before[i].Version {
			l.Errorf("a Put after the restore: %+v, before %d", w, before[i].Version)
		}
	}
	far := remembered("u0", uint64(time.Now().Add(time.Hour).UnixMicro()))
	l.restore(1, far)
	if written, err = l.Put(l.Context(), "c", list[:1]); err != nil || written[0].Version != far.Version+1 {
		l.Errorf("a Put after a version of a clock ahead: %+v, %v, want version %d", written, err, far.Version+1)
	}
	l.restore(0, remembered("of version 0", 0, "id:0"))
	l.leads("id:0", "")
}

func (l *lossy) overNewer() {
	newer := remembered("a", 1000, "x")
	l.restore(1, newer)
	l.restore(0, remembered("a", 999, "x", "y"))
	l.has(newer)
	l.leads("y", "")
}

// Also the topics are those of the snapshot then, and the time may be earlier.
func (l *lossy) overOlder() {
	put(l.T, l.node(500), []store.User{{ID: "a", Topics: []string{"x", "y"}, StateAt: time.UnixMicro(2000)}})
	newer := remembered("a", 1000, "y", "z")
	l.restore(1, newer)
	l.has(newer)
	l.leads("x", "")
	if led, err := l.Leads(l.Context(), "c", []string{"x"}); err != nil || led[0] != "" {
		l.Errorf("the key of a topic that is gone names %q, %v", led, err)
	}
	l.lose("hb:t:{c:y}")
	newest := remembered("a", 1001, "y", "z")
	node := l.node(1002) // to which the claims are not old yet
	if _, err := node.Restore(l.Context(), "c", []store.Snapshot{newest}); err != nil {
		l.Fatal(err)
	}
	l.has(newest)
}

func (l *lossy) inBothOrders() {
	older, newer := remembered("a", 1000, "x", "y"), remembered("a", 1001, "y", "z")
	other := l.node(0)
	for name, order := range map[string][]store.Snapshot{"older first": {older, newer}, "newer first": {newer, older}} {
		l.flush()
		for i, node := range []*store.Redis{l.Redis, other} {
			if _, err := node.Restore(l.Context(), "c", order[i:i+1]); err != nil {
				l.Fatal(err)
			}
		}
		l.has(newer)
		l.leads("x", "")
		if l.Failed() {
			l.Fatal(name)
		}
	}
}

// A call may have a user twice, and a topic of two users.
func (l *lossy) withinOneRestore() {
	a, b := remembered("a", 1000, "x", "y"), remembered("b", 1001, "y")
	newer := remembered("a", 1002, "x")
	l.restore(3, a, b, newer)
	l.has(newer, b)
	l.flush()
	l.restore(2, newer, b, a)
	l.has(newer, b)
	l.flush()
	l.restore(2, b, a)
	l.has(remembered("a", 1000, "x"), b)
	l.flush()
	first, second := remembered("first", 1000, "x"), remembered("second", 1000, "x")
	l.restore(2, first, second)
	second.Topics = nil
	l.has(first, second)
}

func (l *lossy) topicOfNewer() {
	put(l.T, l.node(1000), []store.User{{ID: "b", Topics: []string{"x"}}})
	next := l.listen("a")
	a := remembered("a", 999, "w", "x", "y")
	l.restore(1, a)
	a.Topics = []string{"w", "y"}
	l.has(a)
	l.leads("x", "b")
	next()
	if got := next(); got != "\x01l\x00\x00\x00\x01xb" {
		l.Errorf("after the publication %q is heard, want the loss of x to b", got)
	}
}

func (l *lossy) topicOfOlder() {
	put(l.T, l.node(1000), []store.User{{ID: "b", Topics: []string{"x", "y"}, State: []byte("{}")}})
	next := l.listen("b")
	a := remembered("a", 1001, "x")
	l.restore(1, a)
	l.has(a, store.Snapshot{UserID: "b", Version: 1000, Topics: []string{"y"}, State: []byte("{}")})
	if got := next(); got != "\x01l\x00\x00\x00\x01xa" {
		l.Errorf("%q is heard, want the loss of x to a", got)
	}
}

// A Cluster may lose a topic's key and keep the record.
func (l *lossy) topicsAlone() {
	node := l.node(1000)
	for range 2 { // of which the second claims nothing
		put(l.T, node, []store.User{{ID: "a", Topics: []string{"x", "y", "z"}, State: []byte("{}")}})
	}
	l.lose("hb:t:{c:x}", "hb:t:{c:y}")
	put(l.T, l.node(1002), []store.User{{ID: "b", Topics: []string{"y"}, State: []byte("{}")}})
	l.leads("x", "")
	l.restore(0, store.Snapshot{UserID: "a", Version: 1001, Topics: []string{"never"}})
	l.has(store.Snapshot{UserID: "a", Version: 1001, Topics: []string{"x", "z"}, State: []byte("{}")})
	l.leads("y", "b")
	l.leads("never", "")
}

// What a Put is about to claim may be claimed before, and is not taken from it.
func (l *lossy) topicsOfPutUnderWay() {
	put(l.T, l.node(2000), []store.User{{ID: "b", Topics: []string{"y"}}})
	node := l.node(1000)
	l.before(node, 2, func() {
		l.restore(0, remembered("a", 1000, "x", "y"))
		l.leads("x", "a")
	})
	user := []store.User{{ID: "a", Topics: []string{"x", "y"}}}
	put(l.T, node, user)
	l.leads("x", "a")
	l.leads("y", "a")

	// If its node dies, the next Put makes good all of it.
	put(l.T, l.node(2000), []store.User{{ID: "b", Topics: []string{"y"}}})
	l.lose("hb:u:{c:a}", "hb:t:{c:x}")
	dying := l.node(1000)
	l.before(dying, 1, func() { dying.AddHook(dead{}) }) // after the records
	if _, err := dying.Put(l.Context(), "c", user); err == nil {
		l.Fatal("it has not died")
	}
	l.restore(0, remembered("a", 1000))
	l.leads("x", "a")
	l.leads("y", "b")
	put(l.T, l.node(1500), user)
	l.leads("y", "a")
}

// lostMeanwhile: a write whose record is lost before its topics lead there is not
// acknowledged, since nobody may have heard of it.
func (l *lossy) lostMeanwhile() {
	node := l.node(1000)
	l.before(node, 2, func() { l.lose("hb:u:{c:a}") }) // before the claims
	_, err := node.Put(l.Context(), "c", []store.User{{ID: "a", Topics: []string{"x"}}})
	wantTrouble(l.T, err, "writing 1 user: Redis has lost what was written")
	put(l.T, l.node(2000), []store.User{{ID: "a", Topics: []string{"x"}}})
	l.leads("x", "a")
}

// lose deletes keys.
func (l *lossy) lose(keys ...string) {
	l.Helper()
	client, err := store.RedisClient(l.cfg)
	if err != nil {
		l.Fatal(err)
	}
	defer client.Close()
	for _, key := range keys {
		if n, err := client.Del(l.Context(), key).Result(); n != 1 || err != nil {
			l.Fatalf("deleting %s: %d, %v", key, n, err)
		}
	}
}

// A node dies in the middle of a restore: another one goes on, or the next Put.
func (l *lossy) halfDone() {
	put(l.T, l.node(2000), []store.User{{ID: "b", Topics: []string{"y"}}})
	for name, mend := range map[string]func(){
		"restore": func() { l.restore(0, remembered("a", 1000, "never")) },
		"put": func() {
			put(l.T, l.node(3000), []store.User{{ID: "a", Topics: []string{"x", "y"}}})
			l.leads("y", "a")
			put(l.T, l.node(4000), []store.User{{ID: "b", Topics: []string{"y"}}})
		},
	} {
		dying := l.node(0)
		l.before(dying, 1, func() { dying.AddHook(dead{}) }) // after the records
		if _, err := dying.Restore(l.Context(), "c", []store.Snapshot{remembered("a", 1000, "x", "y")}); err == nil {
			l.Fatal("it has not died")
		}
		l.leads("x", "")
		mend()
		l.leads("x", "a")
		l.leads("y", "b")
		got, err := l.Snapshots(l.Context(), "c", []string{"a"})
		if err != nil || !slices.Equal(got[0].Topics, []string{"x"}) {
			l.Errorf("%s: a has %q, %v, want x", name, got[0].Topics, err)
		}
		l.lose("hb:u:{c:a}", "hb:t:{c:x}")
	}
}

// dead is a network that is cut.
type dead struct{ slow }

func (dead) ProcessPipelineHook(redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(context.Context, []redis.Cmder) error { return errors.New("the network is cut") }
}

func (l *lossy) published() {
	next := l.listen("a")
	first := remembered("a", 1000, "x")
	l.restore(1, first)
	l.restore(0, first)
	l.restore(0, remembered("a", 999))
	second := remembered("a", 1001)
	l.restore(1, second)
	for _, want := range []store.Snapshot{first, second} {
		got := next()
		if !strings.HasPrefix(got, "\x01u") || len(got) < 30 {
			l.Fatalf("%q is heard, want an update", got)
		}
		version, accepted := binary.BigEndian.Uint64([]byte(got[2:])), binary.BigEndian.Uint64([]byte(got[10:]))
		if version != want.Version || accepted != 0 || !strings.HasSuffix(got, string(want.State)) {
			l.Errorf("%q is heard: version %d accepted at %d, want %+v", got, version, accepted, want)
		}
	}
}

// before has node do something once before its nth pipeline from now, counted
// from 1.
func (l *lossy) before(node *store.Redis, n int, do func()) {
	l.Helper()
	put(l.T, node, users("warm", 1)) // the scripts are known
	put(l.T, l.Redis, []store.User{{ID: "taker", Topics: []string{"id:warm0"}}})
	node.AddHook(&before{n: n, do: do})
}

type before struct {
	slow
	n  int
	do func()
}

func (b *before) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		if b.n--; b.n == 0 {
			b.do()
		}
		return next(ctx, cmds)
	}
}

// A Put of a clock behind takes a topic after the restored record is written,
// and before its topics are claimed. It has answered: it keeps the topic.
func (l *lossy) takenBeforeTheClaim() {
	a := remembered("a", 1000, "x")
	l.restore(1, a)
	l.lose("hb:u:{c:a}")
	l.before(l.Redis, 2, func() { put(l.T, l.node(500), []store.User{{ID: "b", Topics: []string{"x"}}}) })
	l.restore(1, a)
	l.leads("x", "b")
	a.Topics = nil
	l.has(a)
}

// A Put of a clock behind takes a topic from a user who is restored once more
// before it is relieved.
func (l *lossy) takenBeforeTheRelief() {
	a := remembered("a", 1000, "x")
	l.restore(1, a)
	node := l.node(500)
	l.before(node, 4, func() { l.restore(0, a) })
	put(l.T, node, []store.User{{ID: "b", Topics: []string{"x"}}})
	l.leads("x", "b")
	a.Topics = nil
	l.has(a)
}

func (l *lossy) connector() {
	restore := func(c store.Connector, want bool) {
		l.Helper()
		if stored, err := l.RestoreConnector(l.Context(), c); err != nil || stored != want {
			l.Errorf("stored: %v, %v, want %v", stored, err, want)
		}
	}
	at := time.UnixMicro(1e15).UTC()
	c := store.Connector{
		ID: "c", Organization: "o", Secret: "s", PrivateSettings: []byte(`{"p":1}`), Settings: []byte(`{"s":1}`),
		UpdatedAt: at, ConfigDigest: "d",
	}
	newer := c
	newer.UpdatedAt, newer.Secret = at.Add(time.Hour), "t"
	restore(c, true)
	restore(newer, false)
	if got, err := l.Connector(l.Context(), "c"); err != nil || !cmp.Equal(got, c) {
		l.Errorf("got %+v, %v, want %+v", got, err, c)
	}
	if stored, err := l.PutConnector(l.Context(), newer); err != nil || !stored {
		l.Errorf("a newer one is not stored: %v", err)
	}
}

// What a Restore costs in round trips does not depend on how many users it has.
func TestRedisRestoreRoundTrips(t *testing.T) {
	server := storetest.Redis(t)
	s := openRedis(t, redisConfig(server.URL()))
	reads := func() int {
		n, err := strconv.Atoi(server.Info("total_reads_processed"))
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	restore := func(snapshots ...store.Snapshot) {
		t.Helper()
		if _, err := s.Restore(t.Context(), "c", snapshots); err != nil {
			t.Fatal(err)
		}
	}
	restore(remembered("warm", 1000, "w"))
	restore(remembered("taker", 1001, "w")) // the scripts are known, and there is a connection
	overhead := reads()
	overhead = reads() - overhead
	cost := func(snapshots ...store.Snapshot) int {
		before := reads()
		restore(snapshots...)
		return reads() - before - overhead
	}
	for _, test := range []struct {
		what string
		snap store.Snapshot
		want int
	}{
		{"a lost user: state, topics, done", remembered("a", 1000, "x", "y"), 3},
		{"an older one: state", remembered("a", 999, "x", "y"), 1},
		{"one that takes a topic: state, topics, confirm, relieve, done", remembered("b", 1001, "x"), 5},
		{"one that does not get it: state, topics, lose, done", remembered("e", 1000, "x"), 4},
	} {
		if got := cost(test.snap); got != test.want {
			t.Errorf("%s: %d round trips, want %d", test.what, got, test.want)
		}
	}
	var many []store.Snapshot
	for n := range 100 {
		many = append(many, remembered(fmt.Sprint("u", n), 1000, fmt.Sprint("id:", n)))
	}
	// A pipeline is read in a few pieces: of at most 16 KiB, of what has arrived.
	if got := cost(many...); got > 15 {
		t.Errorf("100 users take %d reads", got)
	}
	if got := cost(many...); got > 15 {
		t.Errorf("100 users that are there take %d reads", got)
	}
}

// What is restored lives as long as what is put, and counts among the users.
func TestRedisRestoreLife(t *testing.T) {
	server := storetest.Redis(t)
	cfg := redisConfig(server.URL())
	cfg.MaxUsers = 160
	s := openRedis(t, cfg)
	var many []store.Snapshot
	for n := range 300 {
		many = append(many, remembered(fmt.Sprint("u", n), 1000))
	}
	for _, list := range [][]store.Snapshot{many, {remembered("a", 1000, "x")}} {
		if n, err := s.Restore(t.Context(), "c", list); n != len(list) || err != nil {
			t.Fatal(n, err)
		}
	}
	for key, want := range map[string]time.Duration{"hb:u:{c:a}": cfg.UserTTL, "hb:t:{c:x}": 2 * cfg.UserTTL} {
		if got := lifeOf(server, key); got > want || got < want-time.Minute {
			t.Errorf("%s lives for %v, want %v", key, got, want)
		}
	}
	if got := known(t, s, users("u", 300)); got > 160 || got < 100 {
		t.Errorf("%d users are kept, want at most 160, and not far from it", got)
	}
}

func TestRedisLeads(t *testing.T) {
	onLossy(t, func(l *lossy) {
		list := users("u", 1200)
		put(l.T, l.Redis, list)
		l.lose("hb:u:{c:u7}")
		topics, want := []string{"nobody's"}, []string{""}
		for _, u := range list {
			topics, want = append(topics, u.Topics...), append(want, u.ID)
		}
		if got, err := l.Leads(l.Context(), "c", topics); err != nil || !slices.Equal(got, want) {
			l.Errorf("got %q, %v, want %q", got, err, want)
		}
		if got, err := l.Leads(l.Context(), "c", nil); err != nil || len(got) != 0 {
			l.Errorf("no topics: got %q, %v", got, err)
		}
	})
}

// Nodes that restore what they remember, each a different part and all with
// older versions, while others put: no version decreases, the newest one wins,
// and once all is quiet a topic is in the record of the user that it leads to.
func TestRedisRestoreRace(t *testing.T) {
	onLossy(t, func(l *lossy) {
		const nodes, people, topics = 6, 5, 3
		for round := range 8 {
			l.cfg.Prefix = fmt.Sprint("round", round, ":")
			var stores []*store.Redis
			for range nodes {
				s := openRedis(l.T, l.cfg)
				s.AddHook(slow{})
				stores = append(stores, s)
			}
			memory := rememberedOf(l.T, stores, people, topics)
			l.flush()

			var mu sync.Mutex
			newest := make(map[string]store.Snapshot) // what is to be there at least
			note := func(snap store.Snapshot) {
				mu.Lock()
				defer mu.Unlock()
				if snap.Version > newest[snap.UserID].Version {
					newest[snap.UserID] = snap
				}
			}
			for _, snap := range memory {
				note(snap)
			}
			var all sync.WaitGroup
			for n, s := range stores {
				all.Go(func() {
					mine := slices.Clone(memory)
					rand.Shuffle(len(mine), func(i, j int) { mine[i], mine[j] = mine[j], mine[i] })
					for chunk := range slices.Chunk(mine, 1+rand.IntN(7)) {
						if _, err := s.Restore(l.Context(), "c", chunk); err != nil {
							l.Error(err)
						}
						if n < 2 && rand.IntN(3) == 0 {
							u := randomUser(people-1, topics) // the last one is only restored
							written, err := s.Put(l.Context(), "c", []store.User{u})
							if err != nil {
								l.Error(err)
								return
							}
							note(store.Snapshot{UserID: u.ID, Version: written[0].Version, State: u.State})
						}
					}
				})
			}
			stop := make(chan struct{})
			var watching sync.WaitGroup
			watching.Go(func() { neverDecrease(l.T, stores[0], people, stop) })
			all.Wait()
			close(stop)
			watching.Wait()

			checkTopics(l.T, stores[1], people, topics)
			for id, want := range newest {
				got, err := stores[1].Snapshots(l.Context(), "c", []string{id})
				if err != nil || len(got) != 1 || got[0].Version != want.Version || string(got[0].State) != string(want.State) {
					l.Errorf("%s is %+v, %v, want version %d, %s", id, got, err, want.Version, want.State)
				}
			}
		}
	})
}

func randomUser(people, topics int) store.User {
	u := store.User{ID: fmt.Sprint("u", rand.IntN(people)), State: fmt.Appendf(nil, "%d", rand.Uint64())}
	for topic := range topics {
		if rand.IntN(3) == 0 {
			u.Topics = append(u.Topics, fmt.Sprint("t", topic))
		}
	}
	return u
}

// rememberedOf has nodes put users, and returns what was ever seen of them.
func rememberedOf(t *testing.T, stores []*store.Redis, people, topics int) []store.Snapshot {
	t.Helper()
	seen := make(map[string]store.Snapshot)
	var ids []string
	for n := range people {
		ids = append(ids, fmt.Sprint("u", n))
	}
	for n := range 25 {
		u := randomUser(people, topics)
		if n < people {
			u.ID = ids[n]
		}
		put(t, stores[n%len(stores)], []store.User{u})
		snapshots, err := stores[0].Snapshots(t.Context(), "c", ids)
		if err != nil {
			t.Fatal(err)
		}
		for _, snap := range snapshots {
			seen[fmt.Sprint(snap.UserID, snap.Version, snap.Topics)] = snap
		}
	}
	var list []store.Snapshot
	for _, snap := range seen {
		list = append(list, snap)
	}
	return list
}

// neverDecrease watches versions until stop.
func neverDecrease(t *testing.T, s *store.Redis, people int, stop <-chan struct{}) {
	var ids []string
	for n := range people {
		ids = append(ids, fmt.Sprint("u", n))
	}
	last := make([]uint64, people)
	for {
		select {
		case <-stop:
			return
		default:
		}
		got, err := versions(s.Heads(t.Context(), "c", ids))
		if err != nil {
			t.Error(err)
			return
		}
		for i := range got {
			if got[i] < last[i] {
				t.Errorf("the version of %s goes from %d to %d", ids[i], last[i], got[i])
			}
		}
		last = got
	}
}
