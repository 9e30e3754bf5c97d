//go:build unix

package brokertest

import (
	"fmt"
	"net"
	"os"
	"strconv"
	"syscall"
)

// port keeps a port of the loopback interface for a broker, whether it listens or
// not: a socket that is bound and does not listen. Connections are refused then,
// and nobody else is given the port.
type port struct{ fd int }

// reservePort finds a free port.
func reservePort() (*port, string, error) {
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	if err != nil {
		return nil, "", os.NewSyscallError("socket", err)
	}
	p := &port{fd}
	syscall.CloseOnExec(fd)
	// Without it the broker could not bind the port too.
	if err := syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 1); err != nil {
		p.release()
		return nil, "", os.NewSyscallError("setsockopt", err)
	}
	if err := syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		p.release()
		return nil, "", os.NewSyscallError("bind", err)
	}
	name, err := syscall.Getsockname(fd)
	if err != nil {
		p.release()
		return nil, "", os.NewSyscallError("getsockname", err)
	}
	in4, ok := name.(*syscall.SockaddrInet4)
	if !ok {
		p.release()
		return nil, "", fmt.Errorf("a socket of 127.0.0.1 has the address %v", name)
	}
	return p, net.JoinHostPort("127.0.0.1", strconv.Itoa(in4.Port)), nil
}

func (p *port) release() { _ = syscall.Close(p.fd) }
