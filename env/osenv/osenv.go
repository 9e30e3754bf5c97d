package osenv

import (
	crand "crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/weirlab/weir/env"
)

// Options configures New.
type Options struct {
	// Root is the directory below which all files live. It is created if it
	// does not exist. Without it the Env has no files: every FS call fails.
	Root string

	// Node is what NodeName returns; the machine's host name if empty.
	Node string

	// Seed keys the random streams. Zero draws a seed from the system, which
	// is what a server wants: two runs then never draw the same identifiers.
	Seed uint64

	// OnEvent receives what the program tells through Event, with the time on
	// this Env's monotonic clock. It is called from many goroutines at once.
	OnEvent func(node string, at time.Duration, name string, attrs []env.Attr)

	// KeepAccount makes the Env remember what the program holds, for
	// [Env.Holdings]. Tests want it; it costs about a microsecond a task or file.
	KeepAccount bool
}

// Env is the operating system as an env.Env.
type Env struct {
	clock
	tasks
	network

	files   fileSystem
	node    string
	seed    uint64
	onEvent func(node string, at time.Duration, name string, attrs []env.Attr)

	work workCounter

	holdings *holdings // nil unless Options.KeepAccount

	slowness int // percent, if planted

	mu    sync.Mutex
	asked map[stream]uint64 // how often Rand was asked for a stream
}

type stream struct{ purpose, entity string }

var _ env.Env = (*Env)(nil)

// New returns an Env for one process. It fails if Root cannot be made a
// directory.
func New(o Options) (*Env, error) {
	e := &Env{node: o.Node, seed: o.Seed, onEvent: o.OnEvent, asked: make(map[stream]uint64), slowness: plantedSlowness()}
	if o.KeepAccount {
		e.holdings = newHoldings()
	}
	e.clock = clock{origin: time.Now(), held: e.holdings}
	e.tasks = tasks{e.holdings}
	e.network = network{new(traffic), e.holdings}
	e.files.held = e.holdings
	if e.node == "" {
		name, err := os.Hostname()
		if err != nil {
			name = "localhost"
		}
		e.node = name
	}
	if e.seed == 0 {
		var b [8]byte
		crand.Read(b[:]) // never fails: the runtime ends the process instead
		e.seed = binary.LittleEndian.Uint64(b[:])
	}
	if o.Root != "" {
		root, err := filepath.Abs(o.Root)
		if err != nil {
			return nil, fmt.Errorf("osenv: root directory %s: %w", o.Root, err)
		}
		if err := os.MkdirAll(root, 0o755); err != nil {
			return nil, fmt.Errorf("osenv: root directory: %w", err)
		}
		e.files.root = root
	}
	return e, nil
}

// NodeName implements env.Env.
func (e *Env) NodeName() string { return e.node }

// BootID implements env.Env. Linux draws one at every boot.
func (e *Env) BootID() string {
	id, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(id))
}

// FS implements env.Env.
func (e *Env) FS() env.FS { return &e.files }

// Work implements env.Env. It counts, for [Env.Usage]: real work takes real
// time.
func (e *Env) Work(op string, n int64) {
	e.work.count(op, n)
	if e.slowness > 0 {
		slowness.burn(e.slowness, op)
	}
}

// Rand implements env.Env. Asking again for a stream gives its next part, so
// that two tasks neither share a generator nor draw the same numbers. Two Envs
// with the same seed and node name draw the same streams.
func (e *Env) Rand(purpose, entity string) *env.Rand {
	e.mu.Lock()
	name := stream{purpose, entity}
	part := e.asked[name]
	e.asked[name]++
	e.mu.Unlock()
	return env.NewRand(env.Mix64(e.seed^env.HashString(e.node))+part, purpose, entity)
}

// Lab implements env.Env. There is no laboratory here.
func (e *Env) Lab() *env.Lab { return nil }

// Event implements env.Env.
func (e *Env) Event(name string, attrs ...env.Attr) {
	if e.onEvent != nil {
		e.onEvent(e.node, e.Now(), name, attrs)
	}
}

var errNoRoot = errors.New("this Env was made without a root directory (Options.Root), so it has no files")

// invalid is the error for a name that is not a clean relative path, or for a
// negative size or offset.
func invalid(op, name string) error {
	return &fs.PathError{Op: op, Path: name, Err: fs.ErrInvalid}
}
