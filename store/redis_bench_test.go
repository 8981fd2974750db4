//go:build unix

package store_test

import (
	"strconv"
	"testing"

	"hullbeam/store"
	"hullbeam/store/storetest"
)

// BenchmarkRedisPut writes users that are known, a hundred at a time. It reports
// what each costs the server.
func BenchmarkRedisPut(b *testing.B) {
	server := storetest.Redis(b)
	s := openRedis(b, redisConfig(server.URL()))
	const atOnce = 100
	list := make([]store.User, atOnce)
	fill := func(from int) {
		for i := range list {
			list[i] = benchUser((from + i) % benchUsers)
		}
	}
	for n := 0; n < benchUsers; n += atOnce {
		fill(n)
		if _, err := s.Put(b.Context(), "c", list); err != nil {
			b.Fatal(err)
		}
	}
	commands := func() int {
		n, err := strconv.Atoi(server.Info("total_commands_processed"))
		if err != nil {
			b.Fatal(err)
		}
		return n
	}
	cpu, sent := server.CPU(), commands()
	n := 0
	for b.Loop() {
		fill(n * atOnce)
		if _, err := s.Put(b.Context(), "c", list); err != nil {
			b.Fatal(err)
		}
		n++
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(n*atOnce), "µs/user")
	b.ReportMetric(float64((server.CPU()-cpu).Nanoseconds())/1e3/float64(n*atOnce), "redis-µs/user")
	b.ReportMetric(float64(commands()-sent)/float64(n*atOnce), "commands/user")
}

// BenchmarkRedisMemory reports what a user of 1 KB with four topics takes.
func BenchmarkRedisMemory(b *testing.B) {
	for b.Loop() {
		server := storetest.Redis(b)
		s := openRedis(b, redisConfig(server.URL()))
		used := func() int {
			n, err := strconv.Atoi(server.Info("used_memory"))
			if err != nil {
				b.Fatal(err)
			}
			return n
		}
		before := used()
		const users = 20_000
		for n := 0; n < users; n += 1000 {
			list := make([]store.User, 1000)
			for i := range list {
				list[i] = benchUser(n + i)
			}
			if _, err := s.Put(b.Context(), "c", list); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(used()-before)/users, "B/user")
	}
}
