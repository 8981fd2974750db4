package store

import (
	"context"
	"crypto/sha1"
	"embed"
	"encoding/hex"

	"github.com/redis/go-redis/v9"
)

//go:embed lua/*.lua
var luaFiles embed.FS

// script is a Lua script with the digest by which Redis knows it.
type script struct{ text, digest string }

var (
	putScript       = newScript("put")
	topicScript     = newScript("topic")
	topicsScript    = newScript("topics")
	connectorScript = newScript("connector")
	touchScript     = newScript("touch")
	forgetScript    = newScript("forget")
	onceScript      = newScript("once")
	markScript      = newScript("mark")
	visitorScript   = newScript("visitor")
	seenScript      = newScript("seen")
	latestScript    = newScript("latest")
	noteScript      = newScript("note")
	offerScript     = newScript("offer")
	capScript       = newScript("cap")
	swapScript      = newScript("swap")
)

func newScript(name string) *script {
	text, err := luaFiles.ReadFile("lua/" + name + ".lua")
	if err != nil {
		panic(err) // it is embedded
	}
	digest := sha1.Sum(text)
	return &script{string(text), hex.EncodeToString(digest[:])}
}

// call is one run of a script on the keys of one slot.
type call struct {
	script *script
	key    string
	also   []string // other keys of the same slot
	args   []any
	cmd    *redis.Cmd // its answer, after run
}

func (c *call) keys() []string { return append([]string{c.key}, c.also...) }

const (
	maxCalls     = 1000    // in a pipeline
	maxCallBytes = 4 << 20 // of states in a pipeline, but for one that is larger
)

// run sends the calls in order, those of a key one after the other, in as many
// pipelines as their size takes, and returns the first error.
func (s *Redis) run(ctx context.Context, doing string, calls []*call) error {
	for len(calls) > 0 {
		n, size := 0, 0
		for n < len(calls) && n < maxCalls && (n == 0 || size < maxCallBytes) {
			for _, arg := range calls[n].args {
				switch arg := arg.(type) {
				case string:
					size += len(arg)
				case []byte:
					size += len(arg)
				}
			}
			n++
		}
		if err := s.runAtOnce(ctx, doing, calls[:n]); err != nil {
			return err
		}
		calls = calls[n:]
	}
	return nil
}

// runAtOnce sends the calls by their digests, and again by their texts those
// whose server does not know them: it is new, has lost them, or has taken over.
func (s *Redis) runAtOnce(ctx context.Context, doing string, calls []*call) error {
	err := s.pipeline(ctx, doing, calls, func(p redis.Pipeliner, c *call) *redis.Cmd {
		return p.EvalSha(ctx, c.script.digest, c.keys(), c.args...)
	})
	if err != nil {
		return err
	}
	var unknown []*call
	for _, c := range calls {
		if redis.HasErrorPrefix(c.cmd.Err(), "NOSCRIPT") {
			unknown = append(unknown, c)
		}
	}
	err = s.pipeline(ctx, doing, unknown, func(p redis.Pipeliner, c *call) *redis.Cmd {
		return p.Eval(ctx, c.script.text, c.keys(), c.args...)
	})
	if err != nil {
		return err
	}
	for _, c := range calls {
		if err := c.cmd.Err(); err != nil {
			return s.failed(ctx, doing, err)
		}
	}
	return nil
}

// pipeline sends the calls at once. Those that Redis has refused have an error,
// those that it has answered a value; it fails when one has neither.
func (s *Redis) pipeline(ctx context.Context, doing string, calls []*call, send func(redis.Pipeliner, *call) *redis.Cmd) error {
	if len(calls) == 0 {
		return nil
	}
	return s.do(ctx, doing, func(ctx context.Context) error {
		_, err := s.client.Pipelined(ctx, func(p redis.Pipeliner) error {
			for _, c := range calls {
				c.cmd = send(p, c)
			}
			return nil
		})
		for _, c := range calls {
			if c.cmd.Err() == nil && c.cmd.Val() == nil {
				return err // the connection could not be made
			}
		}
		return nil
	})
}
