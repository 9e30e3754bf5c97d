package coverage

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const table = `github.com/weirlab/weir/broker/storage/log.go:45:	*Log.Sync			81.5%
github.com/weirlab/weir/broker/storage/log.go:60:	Open			0.0%
github.com/weirlab/weir/broker/coordinator/shard.go:85:	*shard[go.shape.int,go.shape.string].run	0.0%
github.com/weirlab/weir/cmd/weir/main.go:18:	main			100.0%
total		(statements)		55.0%
`

func TestTheTableOfCovdataIsRead(t *testing.T) {
	list, err := parse([]byte(table), "broker/")
	require.NoError(t, err)
	require.Equal(t, []Function{
		{File: "broker/storage/log.go", Line: 45, Name: "*Log.Sync", PerMille: 815},
		{File: "broker/storage/log.go", Line: 60, Name: "Open"},
		{File: "broker/coordinator/shard.go", Line: 85, Name: "*shard[go.shape.int,go.shape.string].run"},
	}, list)
	require.Equal(t, "broker/storage/log.go:60 Open", list[1].String())

	_, err = parse([]byte("what is this\n"), "broker/")
	require.ErrorContains(t, err, "what is this")
}

func TestOnlyWhatHasNoReasonIsToldOf(t *testing.T) {
	list, err := parse([]byte(table), "broker/")
	require.NoError(t, err)
	reasons, err := parseReasons(`
# A comment.
broker/storage/log.go  Open   never in a test # and more
broker/storage/*.go    *Log.Gone  it is gone
`)
	require.NoError(t, err)
	v := Judge(list, reasons)
	require.Equal(t, []Function{list[2]}, v.Unexplained)
	require.Equal(t, []Explained{{list[1], reasons[0]}}, v.Explained)
	require.Equal(t, "never in a test", v.Explained[0].Why)
	require.Equal(t, reasons[1:], v.Idle)
	require.Equal(t, "broker/coordinator/shard.go:85 *shard[go.shape.int,go.shape.string].run\n"+
		"2 of 3 functions were never reached (66.7 %): 1 for a reason that is given, 1 without\n", v.String())

	_, err = parseReasons("broker/storage/log.go Open")
	require.ErrorContains(t, err, "unreached.txt:1")
}

// Each entry of the list names something that is in the source, and says why.
func TestTheReasonsAreOfFunctionsThatThereAre(t *testing.T) {
	reasons, err := Reasons()
	require.NoError(t, err)
	for _, r := range reasons {
		files, err := filepath.Glob(filepath.Join("..", "..", filepath.FromSlash(r.File)))
		require.NoError(t, err)
		require.NotEmpty(t, files, "%s is no file", r.File)
		if strings.Contains(r.Name, "*") && !strings.HasPrefix(r.Name, "*") || r.Name == "*" {
			continue
		}
		_, method, ok := strings.Cut(strings.TrimPrefix(r.Name, "*"), ".")
		if !ok {
			method = strings.TrimPrefix(r.Name, "*")
		}
		found := false
		for _, file := range files {
			src, err := os.ReadFile(file)
			require.NoError(t, err)
			found = found || strings.Contains(string(src), " "+method+"(") || strings.Contains(string(src), " "+method+"[")
		}
		require.True(t, found, "there is no %s in %s any more", r.Name, r.File)
	}
}

// A program that is built with counters and writes them is read back.
func TestCountersOfARealProgramAreRead(t *testing.T) {
	if testing.Short() {
		t.Skip("builds a program")
	}
	dir := t.TempDir()
	write := func(name, text string) {
		name = filepath.Join(dir, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(name), 0o755))
		require.NoError(t, os.WriteFile(name, []byte(text), 0o644))
	}
	write("go.mod", "module "+strings.TrimSuffix(Module, "/")+"\n\ngo 1.26\n")
	write("broker/b.go", "package broker\n\nfunc Reached() {\n\tprintln()\n}\n\nfunc Never() {\n\tprintln()\n}\n")
	write("main.go", "package main\n\nimport (\n\t\"os\"\n\t\"runtime/coverage\"\n\n\t\""+Module+"broker\"\n)\n\n"+
		"func main() {\n\tbroker.Reached()\n\tif err := coverage.WriteMetaDir(os.Args[1]); err != nil {\n\t\tpanic(err)\n\t}\n\tif err := coverage.WriteCountersDir(os.Args[1]); err != nil {\n\t\tpanic(err)\n\t}\n}\n")
	exe := filepath.Join(dir, "program")
	build := exec.Command("go", "build", "-cover", "-covermode=atomic", "-coverpkg=./...", "-o", exe, ".")
	build.Dir = dir
	out, err := build.CombinedOutput()
	require.NoError(t, err, "%s", out)
	counters := filepath.Join(dir, "counters")
	require.NoError(t, os.Mkdir(counters, 0o755))
	out, err = exec.Command(exe, counters).CombinedOutput()
	require.NoError(t, err, "%s", out)

	list, err := Functions([]string{counters}, "broker/")
	require.NoError(t, err)
	require.Equal(t, []Function{
		{File: "broker/b.go", Line: 3, Name: "Reached", PerMille: 1000},
		{File: "broker/b.go", Line: 7, Name: "Never"},
	}, list)

	_, err = Functions([]string{dir}, "broker/")
	require.ErrorContains(t, err, "holds no counters")
}
