package protocol

import (
	"net"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirlab/weir/env"
)

// ListenerKinds is a set of kinds of listeners. An API says which kinds serve
// it; a listener is of one kind.
type ListenerKinds uint8

// The kinds of listeners, as in the "listeners" of Kafka's message definitions.
const (
	// BrokerListener is where clients come in, and other brokers as replicas.
	BrokerListener ListenerKinds = 1 << iota
	// ControllerListener is where brokers and voters of the metadata quorum
	// meet the controller (controller.listener.names).
	ControllerListener
)

// Principal is who a session acts for (Kafka's KafkaPrincipal).
type Principal struct {
	Type string // "User"
	Name string
}

// anonymous is the principal of a connection that has not said who it is.
func anonymous() Principal { return Principal{Type: "User", Name: "ANONYMOUS"} }

func (p Principal) String() string { return p.Type + ":" + p.Name }

// Session is what a server knows of one connection. It belongs to the
// connection's task: only Begin and Handle may read or change it.
type Session struct {
	ID       int64         // of the connection, unique within its server
	Listener ListenerKinds // the kind of the listener it came in by
	Remote   string        // the peer's "host:port"
	Local    string        // the "host:port" at which the peer reached this server

	Principal Principal

	// SoftwareName and SoftwareVersion are what the client calls itself
	// (KIP-511); empty if it has not said so.
	SoftwareName    string
	SoftwareVersion string

	// Attached, if set, is what somebody keeps for as long as the connection lasts.
	Attached Attachment

	mutedUntil time.Duration // on the monotonic clock
}

// Attachment is what somebody keeps for a connection.
type Attachment interface {
	// Ended is called once the connection is over and nothing of it is being done
	// any more. It must not block for long.
	Ended()
}

func newSession(id int64, listener ListenerKinds, conn net.Conn) *Session {
	return &Session{ID: id, Listener: listener, Remote: conn.RemoteAddr().String(), Local: conn.LocalAddr().String(), Principal: anonymous()}
}

// Mute lets nothing more be read from the connection until the given instant
// of the monotonic clock: how a broker makes a client keep a quota whose answer
// it has already sent (KIP-219).
func (s *Session) Mute(until time.Duration) { s.mutedUntil = max(s.mutedUntil, until) }

// awaitUnmuted blocks until the session may go on.
func (s *Session) awaitUnmuted(e env.Clock) {
	if s.mutedUntil == 0 {
		return
	}
	if left := s.mutedUntil - e.Now(); left > 0 {
		e.Sleep(left)
	}
	s.mutedUntil = 0
}

// Access is what a request needs leave for: an operation on resources of a
// type. The zero value needs none.
type Access struct {
	Operation kmsg.ACLOperation
	Resource  kmsg.ACLResourceType
}

// ClusterResource is the name of the one resource of type CLUSTER.
const ClusterResource = "kafka-cluster"

// Authorizer decides what sessions may do.
type Authorizer interface {
	// Authorize reports whether the session may do what access says to the
	// resource of that name. It must not block.
	Authorize(s *Session, access Access, name string) bool
}

// AllowAll authorizes everything, as Kafka does without authorizer.class.name.
type AllowAll struct{}

// Authorize implements Authorizer.
func (AllowAll) Authorize(*Session, Access, string) bool { return true }
