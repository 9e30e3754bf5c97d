package coverage

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime/coverage"
	"strconv"
	"strings"
)

// Module is the path that the names of files are told without.
const Module = "github.com/weirlab/weir/"

// Function is one function of the program.
type Function struct {
	File     string // within the module: "broker/storage/log.go"
	Line     int
	Name     string // "*Log.Sync", "Open"
	PerMille int    // of its statements that were reached
}

// String is the place and the name.
func (f Function) String() string { return fmt.Sprintf("%s:%d %s", f.File, f.Line, f.Name) }

// ErrNoCounters says that a program was built without counters.
var ErrNoCounters = errors.New("this build counts nothing; run \"make coverbuild\" and use bin/weir-cover")

// Write writes this program's counters, as they stand, into dir, which is made.
// It is ErrNoCounters in an ordinary build.
func Write(dir string) error {
	if !Counting() {
		return ErrNoCounters
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("coverage: %w", err)
	}
	if err := coverage.WriteMetaDir(dir); err != nil {
		return fmt.Errorf("coverage: %w", err)
	}
	if err := coverage.WriteCountersDir(dir); err != nil {
		return fmt.Errorf("coverage: %w", err)
	}
	return nil
}

// Counting reports whether this program was built with counters.
func Counting() bool { return coverage.WriteMeta(discard{}) == nil }

type discard struct{}

func (discard) Write(p []byte) (int, error) { return len(p), nil }

// Functions reads what was counted in dirs, by one build or several, and lists
// the functions below a folder of the module, such as "broker/". It needs the Go
// command.
func Functions(dirs []string, below string) ([]Function, error) {
	for _, dir := range dirs {
		if found, err := filepath.Glob(filepath.Join(dir, "covcounters.*")); err != nil || len(found) == 0 {
			return nil, fmt.Errorf("coverage: %s holds no counters; give a directory that a campaign with --coverage wrote", dir)
		}
		if strings.Contains(dir, ",") {
			return nil, fmt.Errorf("coverage: %s: a directory of counters may have no comma in its name", dir)
		}
	}
	cmd := exec.Command("go", "tool", "covdata", "func", "-i", strings.Join(dirs, ","))
	var problem bytes.Buffer
	cmd.Stderr = &problem
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("coverage: go tool covdata: %w: %s", err, strings.TrimSpace(problem.String()))
	}
	return parse(out, below)
}

var functionLine = regexp.MustCompile(`^(\S+):(\d+):\s+(.+?)\s+(\d+)\.(\d)%$`)

// parse reads the table that covdata prints.
func parse(table []byte, below string) ([]Function, error) {
	var list []Function
	lines := bufio.NewScanner(bytes.NewReader(table))
	for lines.Scan() {
		text := lines.Text()
		if strings.HasPrefix(text, "total") || text == "" {
			continue
		}
		m := functionLine.FindStringSubmatch(text)
		if m == nil {
			return nil, fmt.Errorf("coverage: go tool covdata printed %q, which is no function", text)
		}
		file, ok := strings.CutPrefix(m[1], Module)
		if !ok || !strings.HasPrefix(file, below) {
			continue
		}
		line, _ := strconv.Atoi(m[2])
		whole, _ := strconv.Atoi(m[4])
		tenth, _ := strconv.Atoi(m[5])
		list = append(list, Function{File: file, Line: line, Name: m[3], PerMille: 10*whole + tenth})
	}
	return list, lines.Err()
}
