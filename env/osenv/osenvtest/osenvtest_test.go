package osenvtest_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weirlab/weir/env"
	"github.com/weirlab/weir/env/osenv"
	"github.com/weirlab/weir/env/osenv/osenvtest"
)

// outcome is a test that fails when told to, for others to see.
type outcome struct {
	testing.TB
	errors []string
}

func (o *outcome) Helper() {}

func (o *outcome) Errorf(format string, args ...any) {
	o.errors = append(o.errors, fmt.Sprintf(format, args...))
}

// check runs a program that leaves things behind, and then what gives them
// back.
func check(t *testing.T, leave func(e *osenv.Env) (giveBack func())) []string {
	e := osenvtest.New(t, osenv.Options{Root: t.TempDir(), Node: "here"})
	giveBack := leave(e)
	var before, after outcome
	osenvtest.Check(&before, e, 10*time.Millisecond)
	giveBack()
	osenvtest.Check(&after, e, 10*time.Second)
	require.Empty(t, after.errors)
	return before.errors
}

func TestWhatATestLeavesBehindIsNamedWithItsPlace(t *testing.T) {
	for kind, leave := range map[string]func(e *osenv.Env) func(){
		"task flusher": func(e *osenv.Env) func() {
			stop := e.NewSignal()
			e.Go("flusher", func() { stop.Wait(env.Forever) })
			return stop.Set
		},
		"timer retention": func(e *osenv.Env) func() {
			timer := e.AfterFunc(time.Hour, "retention", func() {})
			return func() { timer.Stop() }
		},
		"task late": func(e *osenv.Env) func() {
			running, stop := e.NewSignal(), e.NewSignal()
			e.AfterFunc(0, "late", func() { running.Set(); stop.Wait(env.Forever) })
			running.Wait(env.Forever)
			return stop.Set
		},
		"file ": func(e *osenv.Env) func() {
			f, err := e.FS().Create("f")
			require.NoError(t, err)
			return func() { _ = f.Close() }
		},
		"listener 127.0.0.1:": func(e *osenv.Env) func() {
			l, err := e.Listen("127.0.0.1:0")
			require.NoError(t, err)
			return func() { _ = l.Close() }
		},
		"connection 127.0.0.1:": func(e *osenv.Env) func() {
			l, err := e.Listen("127.0.0.1:0")
			require.NoError(t, err)
			c, err := e.Dial(l.Addr().String(), 10*time.Second)
			require.NoError(t, err)
			accepted, err := l.Accept()
			require.NoError(t, err)
			_ = l.Close()
			return func() { _, _ = c.Close(), accepted.Close() }
		},
	} {
		t.Run(strings.Fields(kind)[0], func(t *testing.T) {
			said := check(t, leave)
			require.Len(t, said, 1)
			require.Contains(t, said[0], "here: the test is over and still holds:\n  "+kind)
			require.Contains(t, said[0], "osenvtest_test.go:")
		})
	}
}

func TestTasksThatEndInTimeAreWaitedFor(t *testing.T) {
	e := osenvtest.New(t, osenv.Options{Root: t.TempDir()})
	var o outcome
	e.Go("closer", func() {
		f, err := e.FS().Create("f")
		if err != nil {
			t.Error(err)
			return
		}
		e.Sleep(5 * time.Millisecond)
		_ = f.Close()
	})
	osenvtest.Check(&o, e, 10*time.Second)
	require.Empty(t, o.errors)
}
