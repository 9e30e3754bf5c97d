package main

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/weirlab/weir/env"
)

// troubleQuiet is how long the same trouble is not told again: a full disk
// fails every append.
const troubleQuiet = 10 * time.Second

// troubles tells an operator, one line each, what goes wrong in the brokers of
// this process. Ordinary events (elections, ISR changes) are left to --events.
type troubles struct {
	mu   sync.Mutex
	out  io.Writer
	told map[string]time.Duration
}

func newTroubles(out io.Writer) *troubles {
	return &troubles{out: out, told: map[string]time.Duration{}}
}

const logRecovered = "log-recovered"

// cut reports whether a recovery found bytes it had to drop or to miss.
func cut(attrs []env.Attr) bool {
	for _, a := range attrs {
		if (a.Key == "truncated_bytes" || a.Key == "lost_synced") && a.Int > 0 {
			return true
		}
	}
	return false
}

// troubleWords are the events that are trouble, in words.
var troubleWords = map[string]string{
	"accept-failed":         "takes no more connections",
	"bad-request":           "hung up on a client",
	"checkpoint-unreadable": "cannot read a checkpoint",
	"checkpoint-unwritten":  "cannot write a checkpoint",
	"group-load-failed":     "cannot load consumer groups",
	"group-record-skipped":  "cannot read a record of __consumer_offsets and goes on without it",
	logRecovered:            "cut off the end of a log that was not whole",
	"quorum-failed":         "leaves the metadata quorum",
	"registration-lost":     "registers again: the controller forgot it",
	"storage-error":         "storage error",
}

func (t *troubles) write(node string, at time.Duration, name string, attrs []env.Attr) {
	words, trouble := troubleWords[name]
	if !trouble || name == logRecovered && !cut(attrs) {
		return
	}
	var line strings.Builder
	fmt.Fprintf(&line, "%s: %s:", node, words)
	for _, a := range attrs {
		if a.IsText {
			fmt.Fprintf(&line, " %s=%q", a.Key, a.Text)
		} else {
			fmt.Fprintf(&line, " %s=%d", a.Key, a.Int)
		}
	}
	// Troubles of one kind differ in offsets and positions only.
	kind := node + name
	if len(attrs) > 0 {
		kind += attrs[0].Text
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if last, ok := t.told[kind]; ok && at-last < troubleQuiet {
		return
	}
	if len(t.told) > 1000 { // kinds made of strangers' addresses
		clear(t.told)
	}
	t.told[kind] = at
	_, _ = fmt.Fprintln(t.out, line.String())
}
