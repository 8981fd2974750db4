package api

import (
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// rates counts requests per key in a minute.
type rates struct {
	perMinute int
	mu        sync.Mutex
	limiters  map[string]*rate.Limiter
}

// maxLimiters bounds the keys remembered. When it is reached the ones that
// have their whole allowance, which is to say have been silent, are forgotten,
// and if none is, all.
const maxLimiters = 100_000

func newRates(perMinute int) *rates {
	return &rates{perMinute: perMinute, limiters: map[string]*rate.Limiter{}}
}

// allow takes one of key's allowance. When there is none, wait says when there
// will be.
func (r *rates) allow(key string, now time.Time) (wait time.Duration, ok bool) {
	if r.perMinute == 0 {
		return 0, true
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ofLocked(key, now).AllowN(now, 1) {
		return 0, true
	}
	return r.wait(), false
}

// judge is allow for what takes nothing of key's allowance when it is right: inTime tells
// whether there was any. Others wait for right, so that of many guesses at once only as
// many are judged in time as the allowance has.
func (r *rates) judge(key string, now time.Time, right func() bool) (isRight, inTime bool) {
	if r.perMinute == 0 {
		return right(), true
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	l := r.ofLocked(key, now)
	inTime = l.TokensAt(now) >= 1
	if isRight = right(); !isRight {
		l.AllowN(now, 1)
	}
	return isRight, inTime
}

// wait is how long it takes for an allowance that is used up to have one more.
func (r *rates) wait() time.Duration { return time.Minute / time.Duration(max(1, r.perMinute)) }

func (r *rates) ofLocked(key string, now time.Time) *rate.Limiter {
	l := r.limiters[key]
	if l == nil {
		if len(r.limiters) >= maxLimiters {
			r.forgetLocked(now)
		}
		l = rate.NewLimiter(rate.Limit(float64(r.perMinute)/60), r.perMinute)
		r.limiters[key] = l
	}
	return l
}

func (r *rates) forgetLocked(now time.Time) {
	for key, l := range r.limiters {
		if l.TokensAt(now) >= float64(r.perMinute) {
			delete(r.limiters, key)
		}
	}
	if len(r.limiters) >= maxLimiters {
		clear(r.limiters)
	}
}

// places counts how many of something a key has at once.
type places struct {
	most  int
	mu    sync.Mutex
	taken map[string]int
}

func newPlaces(most int) *places { return &places{most: most, taken: map[string]int{}} }

// take takes one of key's places; the caller gives it back.
func (p *places) take(key string) bool {
	if p.most == 0 {
		return true
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.taken[key] >= p.most {
		return false
	}
	p.taken[key]++
	return true
}

func (p *places) giveBack(key string) {
	if p.most == 0 {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.taken[key]--; p.taken[key] == 0 {
		delete(p.taken, key)
	}
}
