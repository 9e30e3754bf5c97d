package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"runtime/debug"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
)

// Exit codes.
const (
	exitPassed           = 0
	exitFailed           = 1
	exitUnknown          = 2
	exitNotDeterministic = 3
	exitLiveness         = 4
	exitUsage            = 64
	exitInternal         = 70
)

// exitError carries an exit code. Without text nothing more is printed.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string {
	if e.err == nil {
		return ""
	}
	return e.err.Error()
}

func (e *exitError) Unwrap() error { return e.err }

// internal marks an error as Weir's own fault or the machine's, rather than
// that of whoever called it.
func internal(err error) error {
	if err == nil {
		return nil
	}
	return &exitError{exitInternal, err}
}

// verdict is the end of a command that worked and has a bad answer.
func verdict(code int) error {
	if code == exitPassed {
		return nil
	}
	return &exitError{code: code}
}

// streams are what a command reads and writes.
type streams struct {
	in  io.Reader
	out io.Writer
	err io.Writer
}

// run is the whole program, and returns its exit code.
func run(args []string, in io.Reader, out, errOut io.Writer) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	root := newRoot(streams{in, out, errOut})
	root.SetArgs(args)
	root.SetIn(in)
	root.SetOut(out)
	root.SetErr(errOut)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return exitPassed
	}
	code := exitUsage
	var exit *exitError
	if errors.As(err, &exit) {
		code = exit.code
	}
	if text := err.Error(); text != "" {
		_, _ = fmt.Fprintf(errOut, "weir: %s\n", text)
	}
	return code
}

func newRoot(s streams) *cobra.Command {
	root := &cobra.Command{
		Use:           "weir",
		Short:         "Simulate, break, judge and measure Kafka clusters",
		Long:          "Weir is a Kafka-compatible broker, a deterministic simulator for it, a fault\nlaboratory, a judge of what clients saw, and a bench.",
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          cobra.NoArgs,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },

		PersistentPreRun: func(cmd *cobra.Command, _ []string) { tuneCollector(cmd.Name()) },
	}
	root.CompletionOptions.DisableDefaultCmd = true
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return fmt.Errorf("%w; see %s --help", err, cmd.CommandPath())
	})
	root.AddCommand(
		explainCommand(s),
		runCommand(s), withCoverage(s, withExplore(s, campaignCommand(s))), checkCommand(s), reportCommand(s), faultsCommand(s), buggifyCommand(s),
		coverageCommand(s), mutantsCommand(s), shrinkCommand(s), mergeCommand(s), historyCommand(s),
		calibrateCommand(s), echoCommand(s), versusCommand(s),
		compareCommand(s), sizeCommand(s),
		publishedCommand(s),
		resultsCommand(s),
		regressCommand(s), regressProofCommand(s),
		brokerCommand(s), topicsCommand(s), produceCommand(s), consumeCommand(s),
	)
	return root
}

// simulationsGCPercent is what simulations run with unless GOGC says otherwise:
// they allocate much and keep little.
const simulationsGCPercent = 300

// tuneCollector prepares the garbage collector for a command. A broker's memory
// is bounded and its operator's business.
func tuneCollector(command string) {
	if command != "broker" && os.Getenv("GOGC") == "" {
		debug.SetGCPercent(simulationsGCPercent)
	}
}

// program is how this program was called, for commands that people copy.
func program() string {
	exe := os.Args[0]
	if strings.Contains(filepath.ToSlash(exe), "/go-build") {
		return "go run ./cmd/weir"
	}
	return exe
}

// isTerminal reports whether w is a terminal that a person may be watching.
func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0 && os.Getenv("TERM") != "dumb"
}
