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
	mu    sync.Mutex
	out   io.Writer
	limit env.Limiter
}

func newTroubles(out io.Writer) *troubles {
	return &troubles{out: out, limit: env.Limiter{Burst: 1, Period: troubleQuiet}}
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
	"accept-failed":         "could not take a connection",
	"bad-request":           "hung up on a client",
	"connection-overdue":    "hung up on a client",
	"checkpoint-unreadable": "cannot read a checkpoint",
	"checkpoint-unwritten":  "cannot write a checkpoint",
	"group-load-failed":     "cannot load consumer groups",
	"group-record-skipped":  "cannot read a record of __consumer_offsets and goes on without it",
	"last-life-unreadable":  "cannot read how its last life ended and counts it as a loss of power",
	logRecovered:            "cut off the end of a log that was not whole",
	"quorum-contradiction":  "hears of two leaders in one epoch of the metadata quorum",
	"quorum-failed":         "leaves the metadata quorum",
	"registration-lost":     "registers again: the controller forgot it",
	"snapshot-damaged":      "passes over a damaged snapshot of the metadata",
	"snapshot-failed":       "cannot write a snapshot of the metadata",
	"storage-error":         "storage error",
}

func (t *troubles) write(node string, at time.Duration, name string, attrs []env.Attr) {
	words, trouble := troubleWords[name]
	if !trouble || name == logRecovered && !cut(attrs) {
		return
	}
	// Troubles of one kind differ in offsets, positions and the addresses of
	// strangers only.
	kind := node + ": " + words
	if len(attrs) > 0 && attrs[0].Key != "from" && attrs[0].Key != "error" && attrs[0].Key != "reason" {
		kind += fmt.Sprintf(": %s=%q", attrs[0].Key, attrs[0].Text)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	tell, suppressed := t.limit.Allow(kind, at)
	if !tell {
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
	_, _ = fmt.Fprintln(t.out, line.String()+andMore(suppressed))
}

// flush tells of troubles that were not told one by one, once their period is
// over at the given time.
func (t *troubles) flush(at time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.limit.Flush(at, func(kind string, suppressed int64) {
		_, _ = fmt.Fprintln(t.out, kind+andMore(suppressed))
	})
}

func andMore(suppressed int64) string {
	if suppressed == 0 {
		return ""
	}
	return fmt.Sprintf(" (and %d more like it)", suppressed)
}
