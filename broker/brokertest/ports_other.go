//go:build !unix

package brokertest

import "net"

// port is nothing here: while a broker is stopped, others may take its port.
type port struct{}

// reservePort finds a free port.
func reservePort() (*port, string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, "", err
	}
	return &port{}, l.Addr().String(), l.Close()
}

func (p *port) release() {}
