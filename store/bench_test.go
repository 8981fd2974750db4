//go:build unix

package store_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"hullbeam/store"
	"hullbeam/store/storetest"
)

// benchUsers is how many users the benchmarks' database holds: more than the
// writer's page cache takes (32 MiB), as in production.
const benchUsers = 50_000

func benchUser(n int) store.User {
	return store.User{
		ID: fmt.Sprintf("5f%022d", n),
		Topics: []string{
			fmt.Sprintf("id:5f%022d", n),
			fmt.Sprintf("external_id:%d", n),
			fmt.Sprintf("email:visitor-%d@example.com", n),
			fmt.Sprintf("anonymous_id:01234567-89ab-cdef-%d", n),
		},
		State: bytes.Repeat([]byte("x"), 900+n%200),
	}
}

// randomUsers returns n users, of which each hundredth has got a new topic.
func randomUsers(n int) []store.User {
	users := make([]store.User, n)
	for i := range users {
		users[i] = benchUser(rand.IntN(benchUsers))
		if rand.IntN(100) == 0 {
			users[i].Topics[3] = fmt.Sprintf("anonymous_id:%d", rand.Int64())
		}
	}
	return users
}

func openBench(b *testing.B) store.Store {
	cfg := store.DefaultConfig()
	cfg.DataDir = b.TempDir()
	cfg.Sealer = storetest.NewSealer("bench")
	s, err := store.Open(b.Context(), cfg)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { s.Close() })
	users := make([]store.User, 1000)
	for n := 0; n < benchUsers; n += len(users) {
		for i := range users {
			users[i] = benchUser(n + i)
		}
		if _, err := s.Put(b.Context(), "c", users); err != nil {
			b.Fatal(err)
		}
	}
	return s
}

// cpuTime is what this process has used of the processors.
func cpuTime() time.Duration {
	var r syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &r)
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

// reportUsers reports users a second, and what each cost of one processor.
func reportUsers(b *testing.B, users int, cpu time.Duration) {
	b.ReportMetric(float64(users)/b.Elapsed().Seconds(), "users/s")
	b.ReportMetric(float64(cpu.Nanoseconds())/1000/float64(users), "cpu-µs/user")
}

// BenchmarkPut is one caller who waits for each Put before the next.
func BenchmarkPut(b *testing.B) {
	for _, n := range []int{1, 100, 1000} {
		b.Run(fmt.Sprintf("users=%d", n), func(b *testing.B) {
			s := openBench(b)
			batches := make([][]store.User, 64)
			for i := range batches {
				batches[i] = randomUsers(n)
			}
			b.ReportAllocs()
			users, cpu := 0, cpuTime()
			b.ResetTimer()
			for b.Loop() {
				if _, err := s.Put(b.Context(), "c", batches[users/n%len(batches)]); err != nil {
					b.Fatal(err)
				}
				users += n
			}
			reportUsers(b, users, cpuTime()-cpu)
		})
	}
}

// BenchmarkPutConcurrent is many callers at once: notifications of 100 users,
// and of 1.
func BenchmarkPutConcurrent(b *testing.B) {
	for _, bench := range []struct{ callers, users int }{{8, 100}, {32, 100}, {64, 1}, {512, 1}} {
		b.Run(fmt.Sprintf("callers=%d/users=%d", bench.callers, bench.users), func(b *testing.B) {
			s := openBench(b)
			batches := make([][]store.User, 4096/bench.users)
			for i := range batches {
				batches[i] = randomUsers(bench.users)
			}
			var puts atomic.Int64
			b.SetParallelism(bench.callers / 2) // times GOMAXPROCS
			cpu := cpuTime()
			b.ResetTimer()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if _, err := s.Put(b.Context(), "c", batches[int(puts.Add(1))%len(batches)]); err != nil {
						b.Error(err)
					}
				}
			})
			reportUsers(b, int(puts.Load())*bench.users, cpuTime()-cpu)
		})
	}
}

// BenchmarkPutKnown is notifications of 100 messages about 10,000 users who are
// known, whose topics stay.
func BenchmarkPutKnown(b *testing.B) {
	s := openBench(b)
	var puts atomic.Int64
	b.SetParallelism(16)
	cpu := cpuTime()
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			puts.Add(1)
			users := make([]store.User, 100)
			for i := range users {
				users[i] = known10k[rand.IntN(len(known10k))]
			}
			if _, err := s.Put(b.Context(), "c", users); err != nil {
				b.Error(err)
			}
		}
	})
	reportUsers(b, int(puts.Load())*100, cpuTime()-cpu)
}

var known10k = func() []store.User {
	users := make([]store.User, 10_000)
	for n := range users {
		users[n] = benchUser(n)
	}
	return users
}()

// BenchmarkPutPaced is 2,000 Puts a second of 1 to 10 users, which come whether
// or not those before have been answered, and how long each takes.
func BenchmarkPutPaced(b *testing.B) {
	s := openBench(b)
	times := make([]time.Duration, b.N)
	var wg sync.WaitGroup
	users, cpu := 0, cpuTime()
	b.ResetTimer()
	start := time.Now()
	for i := range b.N {
		due := start.Add(time.Duration(i) * time.Second / 2000)
		time.Sleep(time.Until(due))
		n := 1 + i%10
		users += n
		first := rand.IntN(len(known10k) - n)
		wg.Go(func() {
			if _, err := s.Put(b.Context(), "c", known10k[first:first+n]); err != nil {
				b.Error(err)
			}
			times[i] = time.Since(due)
		})
	}
	wg.Wait()
	reportUsers(b, users, cpuTime()-cpu)
	slices.Sort(times)
	for _, p := range []int{50, 99} {
		b.ReportMetric(float64(times[len(times)*p/100].Microseconds())/1000, fmt.Sprintf("p%d-ms", p))
	}
}

// BenchmarkFind is a page that opens: the best of its topics leads to nobody,
// the next to a user.
func BenchmarkFind(b *testing.B) {
	s := openBench(b)
	b.ReportAllocs()
	b.ResetTimer()
	for b.Loop() {
		topics := []string{"email:nobody@example.com", fmt.Sprintf("external_id:%d", rand.IntN(benchUsers))}
		if _, i, err := s.Find(b.Context(), "c", topics); err != nil || i != 1 {
			b.Fatal(i, err)
		}
	}
}
