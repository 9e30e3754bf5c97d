package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/spf13/pflag"

	"github.com/weirlab/weir/workloads/campaign"
)

// canaryFlags ask for a planted bug that must be found before a campaign is
// worth anything. Planted bugs are wrong code and not in an ordinary binary, so
// another one looks for it.
type canaryFlags struct {
	bug   string
	weir  string
	seeds int
}

func (f *canaryFlags) add(flags *pflag.FlagSet) {
	flags.StringVar(&f.bug, "canary", "", "first find this planted bug, such as B1; a campaign that cannot is void")
	flags.StringVar(&f.weir, "canary-weir", "", "the weir with planted bugs (\"make faultbuild\"); by default weir-faults beside this one")
	flags.IntVar(&f.seeds, "canary-seeds", 100, "how many seeds the canary has")
}

// search looks for the bug in the scenario of the campaign.
func (f *canaryFlags) search(ctx context.Context, errOut io.Writer, file string) (*campaign.Canary, error) {
	if f.bug == "" {
		return nil, nil
	}
	weir := f.weir
	if weir == "" {
		exe, err := os.Executable()
		if err != nil {
			return nil, internal(err)
		}
		weir = filepath.Join(filepath.Dir(exe), "weir-faults")
	}
	weir, err := exec.LookPath(weir)
	if err != nil {
		return nil, fmt.Errorf("--canary %s: %w", f.bug, err)
	}
	out, err := os.MkdirTemp("", "weir-canary-")
	if err != nil {
		return nil, internal(err)
	}
	defer func() { _ = os.RemoveAll(out) }()
	args := []string{"campaign", "--plant", f.bug, "--seeds", fmt.Sprint(f.seeds), "--fail-fast", "1", "--rerun", "0", "--keep", "0", "--json", "--out", out}
	if file != "" {
		args = append(args, file)
	}
	_, _ = fmt.Fprintf(errOut, "canary: looking for %s in up to %d seeds\n", f.bug, f.seeds)
	var lines, trouble bytes.Buffer
	cmd := exec.CommandContext(ctx, weir, args...)
	cmd.Stdout, cmd.Stderr = &lines, &trouble
	err = cmd.Run()
	if exit := new(exec.ExitError); err != nil && (!errors.As(err, &exit) || exit.ExitCode() == exitUsage || exit.ExitCode() == exitInternal) {
		return nil, fmt.Errorf("--canary %s: %s: %w: %s", f.bug, weir, err, strings.TrimSpace(trouble.String()))
	}
	c := &campaign.Canary{Bug: f.bug}
	for line := range bytes.Lines(lines.Bytes()) {
		var r campaign.Result
		if err := json.Unmarshal(line, &r); err != nil {
			return nil, internal(fmt.Errorf("canary: %w", err))
		}
		c.Seeds++
		if !c.Found && len(r.Findings) > 0 {
			c.Found, c.Seed = true, r.Seed
			c.Check, _, _ = strings.Cut(r.Findings[0], ":")
		}
	}
	return c, nil
}
