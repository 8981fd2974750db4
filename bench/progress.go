package bench

import (
	"fmt"
	"io"
	"sync"
	"time"
)

// progress tells how it goes while it goes.
type progress struct {
	out      io.Writer
	terminal bool
	prefix   string

	mu   sync.Mutex
	line string
}

// say sets what is told next.
func (p *progress) say(format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.line = fmt.Sprintf(format, args...)
}

// start tells until the func that it returns is called.
func (p *progress) start() (stop func()) {
	if p.out == nil {
		return func() {}
	}
	every := 5 * time.Second
	if p.terminal {
		every = 200 * time.Millisecond
	}
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(every)
		defer tick.Stop()
		for {
			select {
			case <-done:
				if p.terminal {
					fmt.Fprint(p.out, "\r\x1b[K")
				}
				return
			case <-tick.C:
				p.tell()
			}
		}
	}()
	return func() { close(done); <-ended }
}

func (p *progress) tell() {
	p.mu.Lock()
	line := p.line
	p.mu.Unlock()
	switch {
	case line == "":
	case p.terminal:
		fmt.Fprintf(p.out, "\r\x1b[K%s%s", p.prefix, line)
	default:
		fmt.Fprintf(p.out, "%s%s\n", p.prefix, line)
	}
}
