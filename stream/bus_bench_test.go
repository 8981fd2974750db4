//go:build unix

package stream_test

import (
	"fmt"
	"strconv"
	"testing"
	"time"

	"hullbeam/store"
	"hullbeam/store/storetest"
	"hullbeam/stream"
)

func number(b *testing.B, s *storetest.RedisServer, field string) float64 {
	b.Helper()
	n, err := strconv.ParseFloat(s.Info(field), 64)
	if err != nil {
		b.Fatal(err)
	}
	return n
}

// BenchmarkBusSubscribe follows 20,000 channels at once, and reports how long it
// is until the last is listened to, and what one takes of Redis.
func BenchmarkBusSubscribe(b *testing.B) {
	const channels = 20_000
	run := func(b *testing.B, url string, servers []*storetest.RedisServer) {
		n := newNodes(b, url, seldom)
		n.follow(stream.UserChannel, "first")
		sum := func(field string) (all float64) {
			for _, s := range servers {
				all += number(b, s, field)
			}
			return all
		}
		cpu := func() (all time.Duration) {
			for _, s := range servers {
				all += s.CPU()
			}
			return all
		}
		round := 0
		for b.Loop() {
			round++
			memory, used := sum("used_memory"), cpu()
			began := time.Now()
			subs := make([]*stream.Subscription, channels)
			for i := range subs {
				subs[i] = n.bus.Follow(stream.Channel{Kind: stream.UserChannel, Connector: "5c0fa1fbe6e53d5e4b1a2c3d", Name: fmt.Sprintf("%024d", round*channels+i)})
			}
			for _, sub := range subs {
				n.wait(sub)
			}
			b.ReportMetric(time.Since(began).Seconds()*1000, "ms/20000")
			b.ReportMetric((sum("used_memory")-memory)/channels, "redis-B/channel")
			b.ReportMetric(float64((cpu()-used).Nanoseconds())/1e3/channels, "redis-µs/channel")
			for _, sub := range subs {
				sub.Release()
			}
			storetest.Eventually(b, "they are listened to no more", func() bool {
				return sum("pubsub_channels")+sum("pubsubshard_channels") < 10
			})
		}
	}
	b.Run("one server", func(b *testing.B) {
		server := storetest.Redis(b)
		run(b, server.URL(), []*storetest.RedisServer{server})
	})
	b.Run("Cluster", func(b *testing.B) {
		servers, url := storetest.RedisCluster(b)
		run(b, url, servers)
	})
}

// BenchmarkBusUpdate writes users that are known and followed by one node, a
// hundred at a time, until the node has heard of the last. It reports what an
// update costs the server, and what goes over the bus.
func BenchmarkBusUpdate(b *testing.B) {
	server := storetest.Redis(b)
	n := newNodes(b, server.URL(), seldom)
	const users, atOnce = 10_000, 100
	list := make([]store.User, atOnce)
	state := make([]byte, 1000)
	for i := range state {
		state[i] = 'x'
	}
	put := func(round int) string {
		for i := range list {
			id := fmt.Sprintf("5f%022d", (round*atOnce+i)%users)
			list[i] = store.User{ID: id, State: state, Topics: []string{
				"id:" + id, "external_id:" + id[20:], "email:visitor-" + id[20:] + "@example.com", "anonymous_id:01234567-89ab-cdef-" + id[20:],
			}}
		}
		n.put(list...)
		return list[atOnce-1].ID
	}
	for round := range users / atOnce {
		put(round)
	}
	for i := range users {
		n.bus.Follow(stream.Channel{Kind: stream.UserChannel, Connector: "c", Name: fmt.Sprintf("5f%022d", i)})
	}
	n.follow(stream.UserChannel, "the last")
	before := func() (cpu time.Duration, in, out float64) {
		return server.CPU(), number(b, server, "total_net_input_bytes"), number(b, server, "total_net_output_bytes")
	}
	cpu, in, out := before()
	rounds := 0
	for b.Loop() {
		last := put(rounds)
		want := rounds/(users/atOnce) + 1
		for deadline := time.Now().Add(10 * time.Second); len(n.heard.updates(last)) < want; time.Sleep(50 * time.Microsecond) {
			if time.Now().After(deadline) {
				b.Fatal("an update has not come")
			}
		}
		rounds++
	}
	cpu2, in2, out2 := before()
	each := float64(rounds * atOnce)
	b.ReportMetric(each/b.Elapsed().Seconds(), "updates/s")
	b.ReportMetric(float64((cpu2-cpu).Nanoseconds())/1e3/each, "redis-µs/update")
	b.ReportMetric((in2-in)/each, "redis-in-B/update")
	b.ReportMetric((out2-out)/each, "redis-out-B/update")
}
