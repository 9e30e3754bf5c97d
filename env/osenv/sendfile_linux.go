package osenv

import (
	"cmp"
	"io"
	"net"
	"syscall"

	"github.com/weirlab/weir/env"
)

// maxSendfile is the most one sendfile call is asked for. The system moves at
// most 2 GiB at a time; less keeps deadlines responsive.
const maxSendfile = 4 << 20

// SendFile implements env.FileSender. The file's own position is neither used
// nor moved, so any number of connections may send one open file at once.
func (c conn) SendFile(f env.File, off, n int64) (int64, error) {
	src, ok := f.(*file)
	if !ok {
		return env.SendFile(plainConn{c}, f, off, n)
	}
	in, err := src.f.SyscallConn()
	if err != nil {
		return 0, closedFile("sendfile", src.f)
	}
	out, err := c.SyscallConn()
	if err != nil {
		return 0, err
	}
	var total int64
	var callErr, writeErr error
	err = in.Control(func(inFD uintptr) {
		writeErr = out.Write(func(outFD uintptr) bool {
			for total < n {
				pos := off + total
				var got int
				got, callErr = syscall.Sendfile(int(outFD), int(inFD), &pos, int(min(n-total, maxSendfile)))
				if got > 0 {
					total += int64(got)
				}
				switch {
				case callErr == syscall.EINTR:
					callErr = nil
				case callErr == syscall.EAGAIN:
					callErr = nil
					return false
				case callErr != nil:
					callErr = &net.OpError{Op: "sendfile", Net: "tcp", Source: c.LocalAddr(), Addr: c.RemoteAddr(), Err: callErr}
					return true
				case got == 0:
					callErr = io.ErrUnexpectedEOF
					return true
				}
			}
			return true
		})
	})
	if err != nil {
		err = closedFile("sendfile", src.f)
	}
	c.traffic.sent.Add(total)
	return total, cmp.Or(err, writeErr, callErr)
}

// plainConn hides the fast paths so that env.SendFile copies.
type plainConn struct{ net.Conn }
