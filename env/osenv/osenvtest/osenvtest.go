// Package osenvtest gives tests the operating system as an env.Env, and fails
// those that leave work behind.
//
// A test that ends while its tasks run or its files are open is not over:
// they go on beside the next test, and write into a directory that is being
// removed. So every test gets its Envs from [New], which looks at the end what
// the test still holds and names it together with where it was taken.
package osenvtest

import (
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weirlab/weir/env/osenv"
)

// patience is for how long tasks that have been told to end may take to do so.
const patience = 10 * time.Second

// made holds the Envs of each test that runs.
var made = struct {
	mu   sync.Mutex
	envs map[testing.TB][]*osenv.Env
}{envs: make(map[testing.TB][]*osenv.Env)}

// New returns an Env. When the test and all cleanups registered after its
// first call of New have ended, the test fails if in any of its Envs tasks
// still run, timers are pending, or files, listeners or connections are open.
//
// Options.KeepAccount is set. Ask for directories (t.TempDir) before calling
// New, so that they are removed after the check.
func New(t testing.TB, o osenv.Options) *osenv.Env {
	t.Helper()
	o.KeepAccount = true
	e, err := osenv.New(o)
	if err != nil {
		t.Fatal(err)
	}
	made.mu.Lock()
	defer made.mu.Unlock()
	if made.envs[t] == nil {
		t.Cleanup(func() {
			made.mu.Lock()
			envs := made.envs[t]
			delete(made.envs, t)
			made.mu.Unlock()
			for _, e := range envs {
				Check(t, e, patience)
			}
		})
	}
	made.envs[t] = append(made.envs[t], e)
	return e
}

// Check fails the test if e still holds something. Tasks get the given time to
// end first; what a task opens it may close meanwhile.
func Check(t testing.TB, e *osenv.Env, patience time.Duration) {
	t.Helper()
	if left := Left(e, patience); left != "" {
		t.Errorf("%s: the test is over and still holds:%s", e.NodeName(), left)
	}
}

// Left lists what e still holds when its tasks have had the given time to end,
// each in a line of its own and with where it was taken; it is empty if nothing is
// left.
func Left(e *osenv.Env, patience time.Duration) string {
	for end := time.Now().Add(patience); len(e.Holdings()) > 0 && time.Now().Before(end); {
		if !slices.ContainsFunc(e.Holdings(), isTask) {
			break // nobody is left who would close what is open
		}
		time.Sleep(time.Millisecond)
	}
	var s strings.Builder
	for _, h := range e.Holdings() {
		s.WriteString("\n  " + h.String())
	}
	return s.String()
}

func isTask(h osenv.Holding) bool { return h.Kind == "task" }
