package faults

import (
	"fmt"
	"strings"

	"github.com/weirlab/weir/env"
)

// Kind names what goes wrong.
type Kind string

// kind is all there is to know about one Kind. Each stands in a file of its
// own; kinds lists them.
type kind struct {
	name Kind
	what string // what happens, in a clause
	ends string // what ends it
	// survives is what the protocol survives of it: the entry of the atlas.
	survives string

	lossy bool // it may take away bytes that one replica had acknowledged
	stops bool // the broker does not run while it lasts

	takes parameters        // that it needs
	may   parameters        // that it can do without
	check func(Fault) error // of its parameters, if they have bounds

	// describe says what struck whom, for people; nil names the broker.
	describe func(f Fault, brokers func(...int) string, h Hit) string
	strike   func(e env.Env, on Machines, f Fault, h Hit) (*Strike, error)
	draws    []drawing
}

// kinds is the vocabulary in the order of its documentation.
func kinds() []*kind { return vocabulary }

var vocabulary = []*kind{
	crash(), crashLoop(), powerLoss(), restart(), pause(), slowCPU(),
	partition(), messageDelay(), connectionReset(), slowLink(), lossyLink(),
	slowDisk(), fullDisk(), diskError(), logDirGone(), shortWrite(), lyingSync(), lostWrite(), tornWrite(), misdirectedWrite(), bitRot(), diskWiped(), volumeMoved(),
	clockJump(), clockDrift(),
}

func (k Kind) known() *kind {
	for _, known := range kinds() {
		if known.name == k {
			return known
		}
	}
	return nil
}

// Kinds lists the vocabulary in the order of its documentation.
func Kinds() []Kind {
	var names []Kind
	for _, k := range kinds() {
		names = append(names, k.name)
	}
	return names
}

// Lossy reports whether the fault may take away bytes that were acknowledged
// by one replica.
func (k Kind) Lossy() bool { known := k.known(); return known != nil && known.lossy }

// Stops reports whether the broker does not run while the fault lasts.
func (k Kind) Stops() bool { known := k.known(); return known != nil && known.stops }

// Atlas describes every kind: its name and parameters, what happens and what
// ends it, what the protocol survives of it, and the keys under which
// [Generate] draws it.
func Atlas() string {
	var b strings.Builder
	for _, k := range kinds() {
		fmt.Fprintf(&b, "%s%s", k.name, k.keys())
		fmt.Fprintf(&b, "\n    %s; ends with %s\n    survived: %s\n    drawn as: ", k.what, k.ends, k.survives)
		for i, d := range k.draws {
			if i > 0 {
				b.WriteString("; ")
			}
			fmt.Fprintf(&b, "%s (%s)", d.name, d.what)
		}
		b.WriteString("\n")
	}
	return b.String()
}
