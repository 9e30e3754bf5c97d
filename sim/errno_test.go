package sim

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestErrorNumbersOfSimulatedMachinesReadAsOnLinux(t *testing.T) {
	for number, text := range errnoTexts {
		err := Errno(number)
		require.EqualError(t, err, text)
		if runtime.GOOS == "linux" {
			require.EqualError(t, number, text, "what the Go library says on Linux")
		}
		require.NotEqual(t, error(number), err, "on Linux too it is no bare number: programs that compare with == would do otherwise elsewhere")
		require.ErrorIs(t, err, number)
		require.ErrorIs(t, &fs.PathError{Op: "write", Path: "f", Err: err}, number)
		var unwrapped syscall.Errno
		require.ErrorAs(t, err, &unwrapped)
		require.Equal(t, number, unwrapped)
		require.Equal(t, number.Timeout(), os.NewSyscallError("read", err).(*os.SyscallError).Timeout())
		require.Equal(t, err, Errno(err), "once is enough")
	}
	require.ErrorIs(t, Errno(syscall.ENOENT), fs.ErrNotExist)
	require.NotErrorIs(t, Errno(syscall.EIO), syscall.ENOSPC)
}

func TestWhatIsNoErrorNumberStaysItself(t *testing.T) {
	for _, err := range []error{nil, fs.ErrClosed, errors.New("other"), fmt.Errorf("wrapped: %w", syscall.EIO), syscall.Errno(4000)} {
		require.Equal(t, err, Errno(err))
	}
}
