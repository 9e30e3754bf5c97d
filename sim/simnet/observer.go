package simnet

import "time"

// Observer is told of the bytes of every connection. It looks from outside: what
// it is told of is in no trace, and it must neither block nor touch the world.
type Observer interface {
	// Written tells of bytes that a program has written, in their order. They are
	// the observer's only until it returns.
	Written(f Flow, at time.Duration, b []byte)
	// Arrived tells of how many more of these bytes have reached the other end.
	Arrived(f Flow, at time.Duration, n int64)
}

// Flow is one direction of a connection.
type Flow struct {
	// Conn tells connections apart, and is the same for both directions.
	Conn     string
	From, To Addr
}

// Dialed says that who sends has opened the connection.
func (f Flow) Dialed() bool { return f.From.Port >= firstEphemeral }

// Observe has o be told of all that is written from now on. nil ends it.
func (w *Network) Observe(o Observer) { w.observer = o }

// flow is the direction in which c sends.
func (c *Conn) flow() Flow {
	return Flow{Conn: c.name, From: c.local, To: c.far}
}
