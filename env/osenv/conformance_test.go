package osenv_test

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirlab/weir/env"
	"github.com/weirlab/weir/env/envtest"
	"github.com/weirlab/weir/env/osenv"
	"github.com/weirlab/weir/env/osenv/osenvtest"
)

func TestConformance(t *testing.T) {
	envtest.Run(t, func(t *testing.T) envtest.World {
		return &world{roots: [2]string{t.TempDir(), t.TempDir()}}
	})
}

const localhost = "127.0.0.1"

// world is two Envs in this process. Victims run as processes of their own:
// this test binary started again.
type world struct {
	roots [2]string
}

var (
	_ envtest.Killer          = (*world)(nil)
	_ envtest.PowerCutter     = (*world)(nil)
	_ envtest.DiskLimiter     = (*world)(nil)
	_ envtest.DiskBreaker     = (*world)(nil)
	_ envtest.SilentAddresser = (*world)(nil)
)

func (w *world) env(t *testing.T, i int) *osenv.Env {
	e := osenvtest.New(t, osenv.Options{Root: w.roots[i], Node: fmt.Sprint("machine-", i), Seed: 1})
	return e
}

func (w *world) Host(int) string { return localhost }

func (w *world) Run(t *testing.T, programs ...func(e env.Env)) {
	var wg sync.WaitGroup
	for i, program := range programs {
		e := w.env(t, i)
		wg.Go(func() { program(e) })
	}
	wg.Wait()
}

// The variables that make the test binary a victim.
const (
	victimName = "WEIR_TEST_VICTIM"
	victimRoot = "WEIR_TEST_VICTIM_ROOT"
)

func TestMain(m *testing.M) {
	if name := os.Getenv(victimName); name != "" {
		fmt.Println("failed:", beVictim(name))
		os.Exit(1)
	}
	os.Exit(m.Run())
}

func beVictim(name string) error {
	v, ok := envtest.VictimByName(name)
	if !ok {
		return fmt.Errorf("no victim is called %q", name)
	}
	e, err := osenv.New(osenv.Options{Root: os.Getenv(victimRoot)})
	if err != nil {
		return err
	}
	return v.Run(e, localhost, func(said string) { fmt.Println("ready:", said) })
}

func (w *world) RunVictim(t *testing.T, v envtest.Victim, witness func(e env.Env, said string, kill func()), after func(e env.Env)) {
	exe, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.Command(exe)
	cmd.Env = append(os.Environ(), victimName+"="+v.Name, victimRoot+"="+w.roots[0])
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Skipf("cannot start processes here: %v", err)
	}
	if err := cmd.Start(); err != nil {
		t.Skipf("cannot start processes here: %v", err)
	}
	kill := sync.OnceFunc(func() {
		_ = cmd.Process.Kill()
		_, _ = io.Copy(io.Discard, out)
		_ = cmd.Wait()
	})
	defer kill()
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	said, ok := strings.CutPrefix(strings.TrimSuffix(line, "\n"), "ready: ")
	require.True(t, ok, "the victim said %q", line)
	e1 := w.env(t, 1)
	e1.Go("witness", func() { witness(e1, said, kill) }).Wait()
	kill()
	after(w.env(t, 0))
}
