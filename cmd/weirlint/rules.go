package main

import (
	"path"
	"strings"
)

// rule says what simulated code may use of a package.
type rule struct {
	banned       string            // nothing, and why
	allowed      []string          // only these names; a trailing * matches any rest
	forbidden    map[string]string // all but these names, and why
	unlessSorted bool              // the forbidden ones are fine inside slices.Sorted
}

func (r *rule) allows(name string) bool {
	for _, pattern := range r.allowed {
		if ok, _ := path.Match(pattern, name); ok {
			return true
		}
	}
	return false
}

const (
	useClock = "the time comes from env.Env: Now, Wall, Deadline, Sleep, AfterFunc"
	useRand  = "randomness comes from env.Env.Rand"
	useMeet  = "tasks meet through env.Mutex, env.Cond and env.Signal"
	useEvent = "tell through env.Env.Event, or write to an io.Writer that was given"
	noOrder  = "the order of a map is random; use env.SortedKeys, or sort"
)

// rules by package path. Packages that are not listed are free.
var rules = map[string]rule{
	"sync":          {banned: useMeet},
	"math/rand":     {banned: useRand},
	"math/rand/v2":  {banned: useRand},
	"crypto/rand":   {banned: useRand},
	"hash/maphash":  {banned: "its seed is random"},
	"unsafe":        {banned: "addresses differ from run to run"},
	"unique":        {banned: "its handles are addresses"},
	"weak":          {banned: "the garbage collector decides what it returns"},
	"log":           {banned: useEvent},
	"log/slog":      {banned: useEvent},
	"flag":          {banned: "settings come with the configuration"},
	"expvar":        {banned: "it is global to the process, which holds a whole cluster"},
	"plugin":        {banned: "it is loaded from the machine"},
	"testing":       {banned: "it belongs into tests"},
	"os/exec":       {banned: "there are no processes to start"},
	"os/signal":     {banned: "there are no signals"},
	"os/user":       {banned: "there are no users"},
	"io/ioutil":     {banned: "files come from env.Env.FS"},
	"path/filepath": {banned: "names in env.FS have slashes everywhere; use package path"},
	"net/http":      {banned: "connections come from env.Env"},
	"net/rpc":       {banned: "connections come from env.Env"},
	"net/smtp":      {banned: "connections come from env.Env"},
	"syscall":       {allowed: []string{"E*", "Errno"}},
	"os":            {allowed: []string{"Err*", "PathError", "NewSyscallError"}},
	"net": {allowed: []string{
		"Conn", "Listener", "Addr", "Error", "OpError", "AddrError", "DNSError", "ErrClosed",
		"SplitHostPort", "JoinHostPort", "IP", "ParseIP",
	}},
	"runtime":       {allowed: []string{"Error", "GOOS", "GOARCH", "KeepAlive"}},
	"runtime/debug": {allowed: []string{"ReadBuildInfo"}},
	"context": {allowed: []string{
		"Context", "Background", "TODO", "WithValue", "Canceled", "DeadlineExceeded",
	}},
	"iter": {allowed: []string{"Seq", "Seq2"}},
	"time": {forbidden: map[string]string{
		"Now": useClock, "Since": useClock, "Until": useClock, "Sleep": useClock, "After": useClock,
		"AfterFunc": useClock, "Tick": useClock, "NewTimer": useClock, "NewTicker": useClock,
		"Parse": "an offset that the machine's zone has gives a time in that zone; use time.ParseInLocation with time.UTC",
		"Local": "it depends on the machine; use time.UTC", "LoadLocation": "it depends on the machine; use time.UTC",
	}},
	"fmt": {forbidden: map[string]string{
		"Print": useEvent, "Printf": useEvent, "Println": useEvent,
		"Scan": useEvent, "Scanf": useEvent, "Scanln": useEvent,
	}},
	"maps": {unlessSorted: true, forbidden: map[string]string{
		"Keys": noOrder, "Values": noOrder, "All": noOrder,
	}},
}

func ruleFor(pkg string) (rule, bool) {
	r, ok := rules[pkg]
	return r, ok
}

// forbiddenMethods are methods that no simulated code may call, by their full
// name.
var forbiddenMethods = map[string]string{
	"(reflect.Value).MapKeys":  noOrder,
	"(reflect.Value).MapRange": noOrder,
	"(reflect.Value).Pointer":  "addresses differ from run to run",
	"(reflect.Value).Seq":      noOrder,
	"(reflect.Value).Seq2":     noOrder,
	"(time.Time).Local":        "it depends on the machine; use UTC",
}

// read lists the packages from elsewhere that somebody has read and found to
// keep the rules where simulated code uses them.
var read = patterns{
	"github.com/twmb/franz-go/pkg/kmsg",
	"github.com/twmb/franz-go/pkg/kerr",
	"github.com/twmb/franz-go/pkg/kbin",
	"github.com/klauspost/compress/...",
	"github.com/pierrec/lz4/v4/...",
	"github.com/pingcap/failpoint", // markers, which compile to nothing
}

// sorts reports whether a function of a package sorts its first argument.
func sorts(pkg, name string) bool {
	switch pkg {
	case "slices":
		return strings.HasPrefix(name, "Sort") && !strings.HasPrefix(name, "Sorted")
	case "sort":
		switch name {
		case "Strings", "Ints", "Float64s", "Slice", "SliceStable", "Sort", "Stable":
			return true
		}
	}
	return false
}
