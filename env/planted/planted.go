// Package planted is where programs ask whether a bug has been planted in them.
//
// A planted bug is wrong code beside the right one, to test whoever tests the
// program. Package faults lists the bugs, says why each is wrong, and turns them
// on. Here is only the question, which an ordinary build answers at compile time
// with no: the marker of the one failpoint in [Is] is an empty call until "make
// faultbuild" rewrites it.
//
// Ask last in a condition, where the answer decides what happens:
//
//	if p.end < s.epochStart && !planted.Is("join-past-epoch-start") {
//
// A run in which a bug was never asked for is then, to the last byte, the run
// without it, since all else is a function of the seed. [Asked] tells which were
// asked for, so that a search for a bug need only look at runs that could differ.
package planted

import (
	"strings"
	"sync"
	"sync/atomic"

	"github.com/pingcap/failpoint"
)

// Failpoint is the path of the failpoint that carries the names of the bugs that
// are planted, separated by commas, as in the term return("a,b").
const Failpoint = "github.com/weirlab/weir/env/planted/bugs"

// Is reports whether the bug called name is planted in this process.
func Is(name string) bool {
	on := false
	failpoint.Inject("bugs", func(v failpoint.Value) { on = find(name, v) })
	return on
}

// asked counts how often each bug was asked for since Forget. It decides nothing.
var asked sync.Map // name → *atomic.Int64

// find looks a bug up among those that are planted, and notes that it was asked
// for.
func find(name string, names failpoint.Value) bool {
	n, ok := asked.Load(name)
	if !ok {
		n, _ = asked.LoadOrStore(name, new(atomic.Int64))
	}
	n.(*atomic.Int64).Add(1)
	list, _ := names.(string)
	for other := range strings.SplitSeq(list, ",") {
		if other == name {
			return true
		}
	}
	return false
}

// Asked says how often each bug was asked for in this process since Forget. It is
// empty unless the failpoint is on, with whatever names.
func Asked() map[string]int64 {
	counts := map[string]int64{}
	asked.Range(func(name, n any) bool {
		if n := n.(*atomic.Int64).Load(); n > 0 {
			counts[name.(string)] = n
		}
		return true
	})
	return counts
}

// Forget begins the counts of Asked anew.
func Forget() { asked.Clear() }
