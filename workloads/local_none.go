//go:build !unix

package workloads

import (
	"context"
	"errors"
	"runtime"
)

// RunLocal needs signals, which this operating system does not have.
func RunLocal(context.Context, Options) (*Outcome, error) {
	return nil, errors.New("workloads: there is no local target on " + runtime.GOOS + "; use the simulator")
}
