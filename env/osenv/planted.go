package osenv

import (
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/weirlab/weir/env/planted"
)

// plantedSlowness is by how many percent the planted slowdown S1 makes requests
// dearer, 0 if it is not planted. It is asked once for each Env, since asking
// costs as much as some requests do.
func plantedSlowness() int {
	if planted.Is("slow-requests") {
		return 15
	}
	return 0
}

// slowness belongs to the process, as the processor time does by which it is
// measured.
var slowness burner

// burner makes a process need more processor time than its own work does, by a
// fixed share: whoever serves a request burns what is owed.
type burner struct {
	requests atomic.Uint64
	mu       sync.Mutex
	burnt    time.Duration
	state    uint64 // of the idle computation
}

// every is that one request of so many pays, so that looking at clocks adds
// little to what is burnt.
const every = 8

// mostBurnt bounds what one request pays, so that a debt run up while nothing
// was asked (background work) does not stall one client.
const mostBurnt = time.Millisecond

// burn is called for each operation and pays on some of the requests among
// them.
func (b *burner) burn(percent int, op string) {
	if !strings.HasPrefix(op, "request.") || b.requests.Add(1)%every != 0 || !b.mu.TryLock() {
		return // another request pays
	}
	defer b.mu.Unlock()
	runtime.LockOSThread() // the clock is the thread's
	defer runtime.UnlockOSThread()
	start := threadTime()
	own := cpuTime() - b.burnt
	owed := min(own*time.Duration(percent)/100-b.burnt, mostBurnt)
	spent := threadTime() - start
	for spent < owed {
		// A few microseconds without a system call: those have side effects on
		// what runs next.
		for range 4000 {
			b.state = b.state*6364136223846793005 + 1442695040888963407
		}
		spent = threadTime() - start
	}
	b.burnt += spent
}
