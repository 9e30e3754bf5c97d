package envtest

import (
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weirlab/weir/env"
)

// World is two machines, 0 and 1, that reach one another over the network.
type World interface {
	// Host is the host part of the addresses that machine i listens on.
	Host(i int) string

	// Run starts programs[i] as a task on machine i and returns once all of
	// them have returned.
	Run(t *testing.T, programs ...func(e env.Env))
}

// Killer is a World that can end a process without warning.
type Killer interface {
	World

	// RunVictim runs a victim as the only process on machine 0. When it has
	// reported ready, witness runs on machine 1 with what it reported; the
	// kill function it is given returns once the victim is dead. When witness
	// has returned, after runs on machine 0 as a new process with the same
	// files.
	RunVictim(t *testing.T, v Victim, witness func(e env.Env, said string, kill func()), after func(e env.Env))
}

// PowerCutter is a World that can cut the power of a machine.
type PowerCutter interface {
	World

	// CutPower runs before on machine 0, cuts its power when it returns, and
	// runs after on the same machine with what the disk has kept.
	CutPower(t *testing.T, before, after func(e env.Env))
}

// DiskLimiter is a World that can have a small disk.
type DiskLimiter interface {
	// WithDisk returns a world whose machine 0 has a disk of about the given
	// size, in bytes.
	WithDisk(t *testing.T, sizeBytes int64) World
}

// DiskBreaker is a World that can have a disk whose write-back fails.
type DiskBreaker interface {
	// WithBreakingDisk returns a world whose machine 0 has a disk that fails
	// to write back a file of the given name, of 32 MiB or more.
	WithBreakingDisk(t *testing.T, name string) World
}

// SilentAddresser is a World with an address that lets connection attempts
// wait for ever: nothing answers, neither yes nor no.
type SilentAddresser interface {
	SilentAddress(t *testing.T) string
}

// P is what a program of the suite gets: its Env, and the TestingT for
// testify's require. A failed require ends the task it was called in.
type P struct {
	env.Env
	t *testing.T
}

var _ require.TestingT = (*P)(nil)

// Errorf implements require.TestingT.
func (p *P) Errorf(format string, args ...any) { p.t.Errorf(format, args...) }

// Helper keeps testify's own frames out of the reports.
func (p *P) Helper() { p.t.Helper() }

// failed is what FailNow panics with. runtime.Goexit would do on goroutines,
// but a coroutine that calls it takes its resumer along.
type failed struct{}

// FailNow implements require.TestingT.
func (p *P) FailNow() {
	p.t.Fail()
	panic(failed{})
}

// guard runs fn and absorbs FailNow.
func (p *P) guard(fn func()) {
	defer func() {
		if r := recover(); r != nil {
			if _, ok := r.(failed); !ok {
				panic(r)
			}
		}
	}()
	fn()
}

// Go starts a task in which require may be used.
func (p *P) Go(name string, fn func()) env.Task {
	return p.Env.Go(name, func() { p.guard(fn) })
}

// Board carries values between the programs of a test.
type Board struct {
	mu     sync.Mutex
	values map[string]string
}

// Post sets a value.
func (b *Board) Post(key, value string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.values == nil {
		b.values = map[string]string{}
	}
	b.values[key] = value
}

// Await returns a value once it is posted, and fails the program if that does
// not happen within ten seconds.
func (b *Board) Await(p *P, key string) string {
	for end := p.Now() + 10*time.Second; p.Now() < end; p.Sleep(time.Millisecond) {
		b.mu.Lock()
		value, ok := b.values[key]
		b.mu.Unlock()
		if ok {
			return value
		}
	}
	require.FailNow(p, "nothing posted", "key %q", key)
	return ""
}

// check is one test of the suite. Run makes a world of its own for each.
type check struct {
	name string
	run  func(t *testing.T, w World)
}

// on0 makes a check of one program on machine 0.
func on0(name string, program func(p *P)) check {
	return check{name, func(t *testing.T, w World) {
		w.Run(t, func(e env.Env) { start(t, e, program) })
	}}
}

// on01 makes a check of two programs, one on each machine. Server, on machine
// 0, is given the address to listen on.
func on01(name string, server func(p *P, addr string, b *Board), client func(p *P, b *Board)) check {
	return check{name, func(t *testing.T, w World) {
		var b Board
		w.Run(t,
			func(e env.Env) { start(t, e, func(p *P) { server(p, w.Host(0)+":0", &b) }) },
			func(e env.Env) { start(t, e, func(p *P) { client(p, &b) }) })
	}}
}

func start(t *testing.T, e env.Env, program func(p *P)) {
	p := &P{Env: e, t: t}
	p.guard(func() { program(p) })
}

// Run runs the whole suite, each test in a new world.
func Run(t *testing.T, newWorld func(t *testing.T) World) {
	for _, group := range []struct {
		name   string
		checks []check
	}{
		{"Env", envChecks},
		{"Clock", clockChecks},
		{"Tasks", taskChecks},
		{"Meet", meetChecks},
		{"Network", networkChecks},
		{"NetworkFailures", networkFailureChecks},
		{"Files", fileChecks},
		{"Names", nameChecks},
		{"DiskFailures", diskFailureChecks},
		{"Death", deathChecks},
	} {
		t.Run(group.name, func(t *testing.T) {
			for _, c := range group.checks {
				t.Run(c.name, func(t *testing.T) { c.run(t, newWorld(t)) })
			}
		})
	}
}

// able returns the world as an optional kind of world, or skips the test.
func able[T any](t *testing.T, w World) T {
	t.Helper()
	able, ok := w.(T)
	if !ok {
		t.Skipf("%T is no %s", w, typeName[T]())
	}
	return able
}
