package osenv_test

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"github.com/stretchr/testify/require"

	"github.com/weirlab/weir/env"
	"github.com/weirlab/weir/env/osenv"
)

// keepAliveVictim makes the test binary a process with a network of its own.
const keepAliveVictim = "WEIR_TEST_KEEPALIVE"

// The twin of a simulated peer that vanishes: probes that nobody answers end
// the connection with ETIMEDOUT. The network of a process of its own falls
// silent when its loopback is taken down.
func TestKeepAliveNoticesAPeerThatVanished(t *testing.T) {
	exe, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.Command(exe)
	cmd.Env = append(os.Environ(), keepAliveVictim+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}
	out, err := cmd.Output()
	if _, ran := err.(*exec.ExitError); err != nil && !ran {
		t.Skipf("cannot make a network of its own here: %v", err)
	}
	require.Equal(t, "noticed", strings.TrimSpace(string(out)))
}

func loseNetwork() error {
	if err := loopback(true); err != nil {
		return err
	}
	e, err := osenv.New(osenv.Options{})
	if err != nil {
		return err
	}
	l, err := e.Listen(localhost + ":0")
	if err != nil {
		return err
	}
	c, err := e.Dial(l.Addr().String(), time.Second)
	if err != nil {
		return err
	}
	if _, err := l.Accept(); err != nil {
		return err
	}
	if err := env.SetKeepAlive(c, env.KeepAlive{Idle: time.Second, Interval: time.Second, Count: 1}); err != nil {
		return err
	}
	if err := loopback(false); err != nil {
		return err
	}
	if err := c.SetReadDeadline(e.Deadline(time.Minute)); err != nil {
		return err
	}
	_, err = c.Read(make([]byte, 1))
	if err == nil || !strings.Contains(err.Error(), syscall.ETIMEDOUT.Error()) {
		return fmt.Errorf("the read ended with %v", err)
	}
	return nil
}

// loopback takes the loopback interface up or down.
func loopback(up bool) error {
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_DGRAM, 0)
	if err != nil {
		return err
	}
	defer func() { _ = syscall.Close(fd) }()
	var request struct { // struct ifreq
		name  [syscall.IFNAMSIZ]byte
		flags uint16
		_     [22]byte
	}
	copy(request.name[:], "lo")
	if up {
		request.flags = syscall.IFF_UP | syscall.IFF_RUNNING
	}
	if _, _, errno := syscall.Syscall(syscall.SYS_IOCTL, uintptr(fd), syscall.SIOCSIFFLAGS, uintptr(unsafe.Pointer(&request))); errno != 0 {
		return errno
	}
	return nil
}

func init() {
	if os.Getenv(keepAliveVictim) == "" {
		return
	}
	if err := loseNetwork(); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Println("noticed")
	os.Exit(0)
}
