package protocol_test

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirlab/weir/broker/protocol"
	"github.com/weirlab/weir/env"
)

// held is a Pending that ends when it is let go.
type held struct {
	letGo env.Signal
	resp  kmsg.Response
}

func (h *held) Done() bool { return h.letGo.IsSet() }

func (h *held) Response() kmsg.Response {
	h.letGo.Wait(env.Forever)
	return h.resp
}

// pipelinedAPI begins every request and tells of it.
func pipelinedAPI(begun func(*held)) protocol.API {
	return protocol.API{Key: int16(kmsg.Heartbeat), MaxVersion: 4, Listeners: protocol.BrokerListener,
		Begin: func(c *protocol.Call) protocol.Pending {
			h := &held{resp: kmsg.NewPtrHeartbeatResponse()}
			begun(h)
			return h
		}}
}

func dial(t *testing.T, addr string) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	require.NoError(t, conn.SetDeadline(time.Now().Add(time.Minute)))
	return conn
}

func nextCorrelation(t *testing.T, conn net.Conn) int32 {
	t.Helper()
	frame, err := protocol.ReadFrame(conn, 1<<20)
	require.NoError(t, err)
	return int32(binary.BigEndian.Uint32(frame))
}

// TestBegunRequestsPipelineAndAnswersKeepTheirOrder holds answers back: later
// requests are begun meanwhile, in order, and answered in order whichever ends
// first; a request that is not pipelined waits for all of them.
func TestBegunRequestsPipelineAndAnswersKeepTheirOrder(t *testing.T) {
	const n = 5
	var s *serverUnderTest
	begun := make(chan *held, n)
	var handled atomic.Bool
	s = serve(t, 0, metadataAPI(func(c *protocol.Call) kmsg.Response {
		handled.Store(true)
		return answerCluster(c)
	}), pipelinedAPI(func(h *held) {
		h.letGo = s.e.NewSignal()
		begun <- h
	}))
	conn := dial(t, s.addr)
	var raw []byte
	for i := range int32(n) {
		raw = append(raw, request(kmsg.NewPtrHeartbeatRequest(), 4, i+1)...)
	}
	raw = append(raw, request(kmsg.NewPtrMetadataRequest(), 9, n+1)...)
	_, err := conn.Write(raw)
	require.NoError(t, err)
	var all []*held
	for range n {
		all = append(all, <-begun)
	}
	for i := n - 1; i >= 0; i-- {
		require.False(t, handled.Load(), "handled before what came first was answered")
		all[i].letGo.Set()
	}
	for want := int32(1); want <= n+1; want++ {
		require.Equal(t, want, nextCorrelation(t, conn))
	}
}

// TestPipelineOfOneConnectionIsBounded sends far more requests than may be open
// at once.
func TestPipelineOfOneConnectionIsBounded(t *testing.T) {
	const n = 1000
	var s *serverUnderTest
	var open, most atomic.Int32
	letGo := make(chan *held, n)
	s = serve(t, 0, pipelinedAPI(func(h *held) {
		h.letGo = s.e.NewSignal()
		now := open.Add(1)
		for old := most.Load(); now > old && !most.CompareAndSwap(old, now); old = most.Load() {
		}
		letGo <- h
	}))
	conn := dial(t, s.addr)
	go func() {
		var raw []byte
		for i := range int32(n) {
			raw = append(raw, request(kmsg.NewPtrHeartbeatRequest(), 4, i)...)
		}
		_, _ = conn.Write(raw)
	}()
	for i := range int32(n) {
		h := <-letGo
		open.Add(-1)
		h.letGo.Set()
		if i%100 == 0 {
			time.Sleep(time.Millisecond) // lets requests pile up
		}
	}
	for want := range int32(n) {
		require.Equal(t, want, nextCorrelation(t, conn))
	}
	require.LessOrEqual(t, most.Load(), int32(64+1))
}

// TestOneRequestAtATime has the server do as Kafka's, which mutes a connection
// while a request of it is not answered: the next is not begun, and other
// connections go on.
func TestOneRequestAtATime(t *testing.T) {
	const n = 20
	var s *serverUnderTest
	begun := make(chan *held, 2*n)
	s = serveWith(t, protocol.Options{Pipelined: 1}, pipelinedAPI(func(h *held) {
		h.letGo = s.e.NewSignal()
		begun <- h
	}))
	first, second := dial(t, s.addr), dial(t, s.addr)
	for i := range int32(n) {
		_, err := first.Write(request(kmsg.NewPtrHeartbeatRequest(), 4, i))
		require.NoError(t, err)
	}
	one := <-begun
	_, err := second.Write(request(kmsg.NewPtrHeartbeatRequest(), 4, 99))
	require.NoError(t, err)
	other := <-begun // were the first connection read on, one of its requests would be here
	other.letGo.Set()
	require.Equal(t, int32(99), nextCorrelation(t, second))
	for i := range int32(n) {
		require.Empty(t, begun)
		one.letGo.Set()
		require.Equal(t, i, nextCorrelation(t, first))
		if i < n-1 {
			one = <-begun
		}
	}
}

// TestHangingUpAnswersWhatCameFirst closes a connection at a request whose
// client expects no answer.
func TestHangingUpAnswersWhatCameFirst(t *testing.T) {
	for name, done := range map[string]bool{"nothing waits": true, "behind a held one": false} {
		t.Run(name, func(t *testing.T) {
			var s *serverUnderTest
			first := make(chan *held, 1)
			begun := 0
			api := pipelinedAPI(nil)
			api.Begin = func(c *protocol.Call) protocol.Pending {
				h := &held{resp: kmsg.NewPtrHeartbeatResponse(), letGo: s.e.NewSignal()}
				if begun++; begun == 1 {
					if done {
						h.letGo.Set()
					}
					first <- h
					return h
				}
				h.resp = nil
				h.letGo.Set()
				c.HangUp(errors.New("no such partition"))
				return h
			}
			s = serve(t, 0, api)
			conn := dial(t, s.addr)
			raw := append(request(kmsg.NewPtrHeartbeatRequest(), 4, 1), request(kmsg.NewPtrHeartbeatRequest(), 4, 2)...)
			_, err := conn.Write(raw)
			require.NoError(t, err)
			(<-first).letGo.Set()
			require.Equal(t, int32(1), nextCorrelation(t, conn))
			_, err = protocol.ReadFrame(conn, 1<<20)
			require.ErrorIs(t, err, io.EOF)
			require.Eventually(t, func() bool { return len(s.rejected()) > 0 }, time.Minute, time.Millisecond)
			require.Contains(t, s.rejected()[0], "no such partition")
		})
	}
}

// denyCluster authorizes nothing on the cluster.
type denyCluster struct{ asked atomic.Int32 }

func (d *denyCluster) Authorize(s *protocol.Session, access protocol.Access, name string) bool {
	d.asked.Add(1)
	return access.Resource != kmsg.ACLResourceTypeCluster || name != protocol.ClusterResource || s.Principal.Name != "ANONYMOUS"
}

func TestRequestsOnTheClusterAreAuthorizedBeforeTheyAreHandled(t *testing.T) {
	deny := &denyCluster{}
	api := protocol.API{Key: int16(kmsg.UnregisterBroker), Listeners: protocol.BrokerListener,
		Access: protocol.Access{Operation: kmsg.ACLOperationAlter, Resource: kmsg.ACLResourceTypeCluster},
		Handle: func(*protocol.Call) kmsg.Response { panic("handled") }}
	s := serveWith(t, protocol.Options{Authorizer: deny}, api)
	back := s.send(t, request(kmsg.NewPtrUnregisterBrokerRequest(), 0, 1))
	resp := kmsg.NewPtrUnregisterBrokerResponse()
	require.NoError(t, resp.ReadFrom(back[9:]))
	require.Equal(t, kerr.ClusterAuthorizationFailed.Code, resp.ErrorCode)
	require.EqualValues(t, 1, deny.asked.Load())
}

func TestAnAPIIsServedOnItsListenersOnly(t *testing.T) {
	api := protocol.API{Key: int16(kmsg.Vote), Listeners: protocol.ControllerListener, Handle: func(*protocol.Call) kmsg.Response { panic("handled") }}
	s := serve(t, 0, api, apiVersionsAPI())
	require.Empty(t, s.send(t, request(kmsg.NewPtrVoteRequest(), 0, 1)))
	require.Contains(t, s.rejected()[0], "Vote, which this listener does not serve")

	back := s.send(t, request(kmsg.NewPtrApiVersionsRequest(), 0, 1))
	resp := kmsg.NewPtrApiVersionsResponse()
	require.NoError(t, resp.ReadFrom(back[8:]))
	require.Len(t, resp.ApiKeys, 1, "ApiVersions itself")
}
