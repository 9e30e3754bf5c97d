package protocol_test

import (
	"errors"
	"net"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirlab/weir/broker/protocol"
	"github.com/weirlab/weir/env/osenv"
	"github.com/weirlab/weir/env/osenv/osenvtest"
)

// answered reports whether a Metadata request on conn is answered within d.
func answered(t *testing.T, conn net.Conn, d time.Duration) bool {
	t.Helper()
	if _, err := conn.Write(request(kmsg.NewPtrMetadataRequest(), 9, 1)); err != nil {
		return false
	}
	require.NoError(t, conn.SetReadDeadline(time.Now().Add(d)))
	_, err := protocol.ReadFrame(conn, 1<<20)
	return err == nil
}

const soon = 200 * time.Millisecond

func TestFurtherConnectionsWaitForRoom(t *testing.T) {
	s := serveWith(t, protocol.Options{MaxConnections: 2}, metadataAPI(answerCluster))
	a, b, c := dial(t, s.addr), dial(t, s.addr), dial(t, s.addr)
	require.True(t, answered(t, a, time.Minute))
	require.True(t, answered(t, b, time.Minute))
	require.False(t, answered(t, c, soon))
	_ = a.Close()
	require.NoError(t, c.SetReadDeadline(time.Now().Add(time.Minute)))
	_, err := protocol.ReadFrame(c, 1<<20)
	require.NoError(t, err, "the request sent before is answered once there is room")
}

func TestFurtherConnectionsOfAnAddressAreClosed(t *testing.T) {
	s := serveWith(t, protocol.Options{MaxConnectionsPerIP: 2}, metadataAPI(answerCluster))
	a, b := dial(t, s.addr), dial(t, s.addr)
	require.True(t, answered(t, a, time.Minute))
	require.True(t, answered(t, b, time.Minute))
	require.False(t, answered(t, dial(t, s.addr), time.Minute))
	require.Eventually(t, func() bool { return len(s.rejected()) > 0 }, time.Minute, time.Millisecond)
	require.Contains(t, s.rejected()[0], "max.connections.per.ip")
	_ = a.Close()
	require.Eventually(t, func() bool { return answered(t, dial(t, s.addr), time.Minute) }, time.Minute, time.Millisecond)
}

func TestIdleConnectionsAreClosed(t *testing.T) {
	s := serveWith(t, protocol.Options{MaxIdle: 50 * time.Millisecond}, metadataAPI(answerCluster))
	conn := dial(t, s.addr)
	require.True(t, answered(t, conn, time.Minute))
	require.NoError(t, conn.SetReadDeadline(time.Now().Add(time.Minute)))
	_, err := conn.Read(make([]byte, 1))
	require.Error(t, err)
	require.NotErrorIs(t, err, syscall.EAGAIN)
	var timeout net.Error
	require.False(t, errors.As(err, &timeout) && timeout.Timeout())
}

// failingListener fails a number of times as a process without descriptors does.
type failingListener struct {
	net.Listener
	failures atomic.Int32
}

func (l *failingListener) Accept() (net.Conn, error) {
	if l.failures.Add(-1) >= 0 {
		return nil, &net.OpError{Op: "accept", Net: "tcp", Err: syscall.EMFILE}
	}
	return l.Listener.Accept()
}

func TestAcceptGoesOnWhenDescriptorsRunOut(t *testing.T) {
	e := osenvtest.New(t, osenv.Options{Root: t.TempDir(), Node: "server"})
	l, err := e.Listen("127.0.0.1:0")
	require.NoError(t, err)
	failing := &failingListener{Listener: l}
	failing.failures.Store(3)
	srv := protocol.Serve(e, failing, protocol.NewTable(metadataAPI(answerCluster)), protocol.Options{})
	defer func() { srv.Close(); srv.Wait() }()
	require.True(t, answered(t, dial(t, l.Addr().String()), time.Minute))
	require.Negative(t, failing.failures.Load())
}

func TestAMutedSessionIsReadNoFurther(t *testing.T) {
	var s *serverUnderTest
	var until time.Duration
	handled := make(chan time.Duration, 2)
	s = serve(t, 0, metadataAPI(func(c *protocol.Call) kmsg.Response {
		handled <- s.e.Now()
		if until == 0 {
			until = s.e.Now() + 50*time.Millisecond
			c.Mute(until)
		}
		return answerCluster(c)
	}))
	conn := dial(t, s.addr)
	_, err := conn.Write(append(request(kmsg.NewPtrMetadataRequest(), 9, 1), request(kmsg.NewPtrMetadataRequest(), 9, 2)...))
	require.NoError(t, err)
	require.Equal(t, int32(1), nextCorrelation(t, conn), "what was done before is answered")
	require.Equal(t, int32(2), nextCorrelation(t, conn))
	<-handled
	require.GreaterOrEqual(t, <-handled, until)
}
