//go:build !linux

package osenv

import (
	"net"

	"github.com/weirlab/weir/env"
)

// SendFile implements env.FileSender by copying.
func (c conn) SendFile(f env.File, off, n int64) (int64, error) {
	return env.SendFile(plainConn{c}, f, off, n)
}

// plainConn hides the fast paths so that env.SendFile copies.
type plainConn struct{ net.Conn }
