package faults

import (
	"fmt"
	"strings"
	"time"

	"github.com/weirlab/weir/env"
)

// Hit is the brokers that a fault's targets turned out to be, counted from 0.
type Hit struct {
	Node         int // of a fault on one broker, else -1
	Between, And []int
}

// Strike is a fault that is happening.
type Strike struct {
	Lossy  bool
	Detail string // what the target could only imitate, or ""
	// Undo ends the fault and says what it was seen to do.
	Undo func(env.Env) (effect string)
}

// Machines are the brokers' machines as a target has them. What faults can do
// to them is said by the interfaces that the value implements beside this one:
// [Processes], [Power], [Links], [Disks], [Clocks]. Their methods are called
// from tasks and may block; an error says why the fault cannot happen at this
// moment, such as to a broker that is down already.
type Machines interface {
	// TargetName is what the target is called, "the simulator".
	TargetName() string
}

// Processes can be ended and held.
type Processes interface {
	// Kill ends the process; the page cache outlives it. Undo starts another.
	Kill(e env.Env, broker int) (*Strike, error)
	// ShutDown ends the process in good order. Undo starts another.
	ShutDown(e env.Env, broker int) (*Strike, error)
	// Pause lets the process stand still until Undo.
	Pause(e env.Env, broker int) (*Strike, error)
}

// Power can be cut.
type Power interface {
	// CutPower takes the machine's power, and with it what was not synced.
	// Undo boots it.
	CutPower(e env.Env, broker int) (*Strike, error)
}

// Links can be cut.
type Links interface {
	// Cut lets packets vanish between two sets of brokers, or only those from
	// the first to the second. Undo heals the links.
	Cut(e env.Env, between, and []int, oneWay bool) (*Strike, error)
}

// Disks can be slow, full and failing.
type Disks interface {
	// SlowDown makes every I/O of the device take factor times as long.
	SlowDown(e env.Env, broker int, factor int64) (*Strike, error)
	// FillUp lets writes fail with ENOSPC.
	FillUp(e env.Env, broker int) (*Strike, error)
	// FailWrites lets writes and syncs fail with EIO.
	FailWrites(e env.Env, broker int) (*Strike, error)
}

// Clocks can be wrong.
type Clocks interface {
	// SetClock puts the wall clock off by d.
	SetClock(e env.Env, broker int, d time.Duration) (*Strike, error)
}

// with is a strike that needs T of a target. One that has no T cannot make it.
func with[T any](do func(can T, e env.Env, f Fault, h Hit) (*Strike, error)) func(env.Env, Machines, Fault, Hit) (*Strike, error) {
	return func(e env.Env, on Machines, f Fault, h Hit) (*Strike, error) {
		can, ok := on.(T)
		if !ok {
			return nil, fmt.Errorf("%s has no way to make a %s", on.TargetName(), f.Kind)
		}
		return do(can, e, f, h)
	}
}

// Strike makes the fault happen to the brokers in h. An error says why it
// cannot.
func (f Fault) Strike(e env.Env, on Machines, h Hit) (*Strike, error) {
	k := f.Kind.known()
	if k == nil {
		return nil, fmt.Errorf("there is no fault %q", f.Kind)
	}
	return k.strike(e, on, f, h)
}

// Describe says what struck whom, for people. name is what a broker is called.
func (f Fault) Describe(h Hit, name func(broker int) string) string {
	names := func(brokers ...int) string {
		list := make([]string, len(brokers))
		for i, b := range brokers {
			list[i] = name(b)
		}
		return strings.Join(list, ", ")
	}
	if k := f.Kind.known(); k != nil && k.describe != nil {
		return k.describe(f, names, h)
	}
	if role, _ := f.Node.Parse(); role != ByName {
		return fmt.Sprintf("%s (%s)", name(h.Node), f.Node)
	}
	return name(h.Node)
}
