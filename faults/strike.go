package faults

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/weirlab/weir/env"
)

// Hit is the brokers that a fault's targets turned out to be, counted from 0.
type Hit struct {
	Nodes        []int // of a fault on brokers
	Between, And []int
}

// Brokers lists all of them.
func (h Hit) Brokers() []int { return slices.Concat(h.Nodes, h.Between, h.And) }

// node is the broker of a fault that strikes one at a time.
func (h Hit) node() int { return h.Nodes[0] }

// Strike is a fault that is happening.
type Strike struct {
	Lossy bool
	// Broken says that what was lost had been synced: the disk broke its promise.
	Broken bool
	Detail string // what the target could only imitate, or ""
	// Undo ends the fault and says what it was seen to do.
	Undo func(env.Env) (effect string)
	// Idle says, once Undo has ended it, that the fault met nothing that it could
	// have done something to: a disk that is full and that nobody writes to.
	Idle bool
}

// Machines are the brokers' machines as a target has them. What faults can do
// to them is said by the interfaces that the value implements beside this one:
// [Processes], [Power], [Links], [Messages], [Disks], [BadDisks], [Clocks]. Their methods are called
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

// Links can be cut, and be worse than usual.
type Links interface {
	// Cut lets packets vanish between two sets of brokers, or only those from
	// the first to the second. Undo heals the links.
	Cut(e env.Env, between, and []int, oneWay bool) (*Strike, error)
	// Worsen makes packets between two sets of brokers, or only those from the
	// first to the second, arrive later by a time, and lossPPM in a million be
	// lost and sent again. Undo makes the links what they were.
	Worsen(e env.Env, between, and []int, oneWay bool, by time.Duration, lossPPM int64) (*Strike, error)
	// Reset resets the connections between two sets of brokers.
	Reset(e env.Env, between, and []int) (*Strike, error)
}

// Messages can be told apart on their way.
type Messages interface {
	// DelayMessages lets messages arrive later by a time: all, or the first
	// count, of those of which one of the brokers is sender or receiver, or
	// anybody if there are none. What is behind them on their connections waits
	// for them.
	DelayMessages(e env.Env, which Message, brokers []int, count int64, by time.Duration) (*Strike, error)
	// SnapAtMessages has the network reset the connections that such messages
	// are sent on. They do not arrive.
	SnapAtMessages(e env.Env, which Message, brokers []int, count int64) (*Strike, error)
}

// Disks can be slow, full and failing.
type Disks interface {
	// SlowDown makes every I/O of the device take factor times as long.
	SlowDown(e env.Env, broker int, factor int64) (*Strike, error)
	// FillUp lets writes fail with ENOSPC.
	FillUp(e env.Env, broker int) (*Strike, error)
	// Fail lets calls on files of a class fail with EIO: all of them if count is
	// 0, else the first so many.
	Fail(e env.Env, broker int, calls Calls, files Files, count int64) (*Strike, error)
}

// BadDisks do not do what they say, or lose what they had.
type BadDisks interface {
	// CutWrites lets writes fail with EIO after some of their bytes: all of them
	// if count is 0, else the first so many.
	CutWrites(e env.Env, broker int, files Files, count int64) (*Strike, error)
	// Lie lets syncs succeed that make nothing durable.
	Lie(e env.Env, broker int, files Files) (*Strike, error)
	// BetrayWrites lets writes succeed that do not reach the device, or not all
	// of them, or at the wrong place: a LostWrite, TornWrite or MisdirectedWrite.
	BetrayWrites(e env.Env, broker int, files Files, count int64, how Kind) (*Strike, error)
	// Rot turns over count bits of what is stored.
	Rot(e env.Env, broker int, files Files, count int64) (*Strike, error)
	// Wipe takes the machine's power and all files of a class. Undo boots it.
	Wipe(e env.Env, broker int, files Files) (*Strike, error)
	// MoveVolume kills the process and gives its disk, with all that was written,
	// to another machine. Undo starts a process there.
	MoveVolume(e env.Env, broker int) (*Strike, error)
}

// LogDirs of a broker can be gone while others are there.
type LogDirs interface {
	// LoseLogDir lets every call on a log directory, counted from 1, fail with EIO.
	// Undo makes it sound, and starts a broker that has gone on without it anew.
	LoseLogDir(e env.Env, broker, dir int) (*Strike, error)
}

// Clocks can be wrong.
type Clocks interface {
	// SetClock puts the wall clock off by d.
	SetClock(e env.Env, broker int, d time.Duration) (*Strike, error)
	// DriftClock lets the wall clock gain ppm millionths of the time that passes.
	DriftClock(e env.Env, broker int, ppm int64) (*Strike, error)
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
	switch {
	case k == nil:
		return nil, fmt.Errorf("there is no fault %q", f.Kind)
	case k.takes&takesNode == 0 || len(h.Nodes) == 1:
		return k.strike(e, on, f, h)
	}
	var all several
	for _, n := range h.Nodes {
		all.add(k.strike(e, on, f, Hit{Nodes: []int{n}}))
	}
	return all.strike()
}

// several is what is happening to several brokers.
type several struct {
	strikes []*Strike
	errs    []error
}

func (s *several) add(one *Strike, err error) {
	if err != nil {
		s.errs = append(s.errs, err)
		return
	}
	s.strikes = append(s.strikes, one)
}

// strike makes one of them. It has happened if it has to any of them.
func (s *several) strike() (*Strike, error) {
	if len(s.strikes) == 0 {
		return nil, errors.Join(s.errs...)
	}
	all := &Strike{}
	var details []string
	for _, one := range s.strikes {
		all.Lossy, all.Broken = all.Lossy || one.Lossy, all.Broken || one.Broken
		if one.Detail != "" && !slices.Contains(details, one.Detail) {
			details = append(details, one.Detail)
		}
	}
	for _, err := range s.errs {
		details = append(details, err.Error())
	}
	all.Detail = strings.Join(details, "; ")
	all.Undo = func(e env.Env) string {
		var effects []string
		all.Idle = true
		for _, one := range s.strikes {
			if text := one.Undo(e); text != "" {
				effects = append(effects, text)
			}
			all.Idle = all.Idle && one.Idle
		}
		return strings.Join(effects, "; ")
	}
	return all, nil
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
	return f.struck(h, names)
}

// struck names the brokers of a fault on brokers, and the part that they play.
func (f Fault) struck(h Hit, names func(...int) string) string {
	if role, _ := f.Node.Parse(); role != ByName {
		return fmt.Sprintf("%s (%s)", names(h.Nodes...), f.Node)
	}
	return names(h.Nodes...)
}
