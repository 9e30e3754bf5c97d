package protocol_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirlab/weir/broker/protocol"
	"github.com/weirlab/weir/env"
	"github.com/weirlab/weir/env/osenv"
	"github.com/weirlab/weir/env/osenv/osenvtest"
)

func metadataAPI(handle func(*protocol.Call) kmsg.Response) protocol.API {
	return protocol.API{Key: int16(kmsg.Metadata), MinVersion: 1, MaxVersion: 12, Listeners: protocol.BrokerListener, Handle: handle}
}

func apiVersionsAPI() protocol.API {
	return protocol.API{Key: int16(kmsg.ApiVersions), MinVersion: 0, MaxVersion: 3, Listeners: protocol.BrokerListener}
}

// answerCluster answers Metadata with a cluster id that repeats the caller's
// client id.
func answerCluster(c *protocol.Call) kmsg.Response {
	resp := kmsg.NewPtrMetadataResponse()
	resp.ClusterID = kmsg.StringPtr(c.ClientID)
	return resp
}

type serverUnderTest struct {
	e      *osenv.Env
	addr   string
	events env.Mutex
	bad    []string
}

func serve(t *testing.T, maxRequestBytes int32, apis ...protocol.API) *serverUnderTest {
	t.Helper()
	return serveWith(t, protocol.Options{MaxRequestBytes: maxRequestBytes}, apis...)
}

func serveWith(t *testing.T, opts protocol.Options, apis ...protocol.API) *serverUnderTest {
	t.Helper()
	s := &serverUnderTest{}
	e := osenvtest.New(t, osenv.Options{Root: t.TempDir(), Node: "server", OnEvent: func(_ string, _ time.Duration, name string, attrs []env.Attr) {
		s.events.Lock()
		defer s.events.Unlock()
		if name == "bad-request" {
			s.bad = append(s.bad, attrs[1].Text)
		}
	}})
	s.e, s.events = e, e.NewMutex()
	l, err := e.Listen("127.0.0.1:0")
	require.NoError(t, err)
	s.addr = l.Addr().String()
	srv := protocol.Serve(e, l, protocol.NewTable(apis...), opts)
	t.Cleanup(func() { srv.Close(); srv.Wait() })
	return s
}

func (s *serverUnderTest) rejected() []string {
	s.events.Lock()
	defer s.events.Unlock()
	return append([]string(nil), s.bad...)
}

// send writes raw bytes on a fresh connection and returns everything that
// comes back until the server closes it.
func (s *serverUnderTest) send(t *testing.T, raw []byte) []byte {
	t.Helper()
	conn, err := net.Dial("tcp", s.addr)
	require.NoError(t, err)
	defer func() { _ = conn.Close() }()
	_, err = conn.Write(raw)
	require.NoError(t, err)
	_ = conn.(*net.TCPConn).CloseWrite() // the server may have hung up already
	back, err := io.ReadAll(conn)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil
	}
	return back
}

func request(req kmsg.Request, version int16, correlation int32) []byte {
	req.SetVersion(version)
	return kmsg.NewRequestFormatter(kmsg.FormatterClientID("tester")).AppendRequest(nil, req, correlation)
}

func TestClientAndServerTalkInEveryVersion(t *testing.T) {
	s := serve(t, protocol.DefaultMaxRequestBytes, metadataAPI(answerCluster), apiVersionsAPI())
	c, err := protocol.Dial(s.e, s.addr, "broker-7", time.Second)
	require.NoError(t, err)
	defer c.Close()
	for version := int16(2); version <= 12; version++ {
		req := kmsg.NewPtrMetadataRequest()
		req.SetVersion(version)
		resp, err := c.Request(req, time.Second)
		require.NoError(t, err, "version %d", version)
		require.Equal(t, "broker-7", *resp.(*kmsg.MetadataResponse).ClusterID)
	}
}

func TestRequestsOfAConnectionAreAnsweredInOrder(t *testing.T) {
	s := serve(t, protocol.DefaultMaxRequestBytes, metadataAPI(answerCluster))
	var raw []byte
	for correlation := int32(1); correlation <= 20; correlation++ {
		raw = append(raw, request(kmsg.NewPtrMetadataRequest(), 9, correlation)...)
	}
	back := s.send(t, raw)
	for want := int32(1); want <= 20; want++ {
		size := binary.BigEndian.Uint32(back)
		require.Equal(t, want, int32(binary.BigEndian.Uint32(back[4:])))
		back = back[4+size:]
	}
	require.Empty(t, back)
}

func TestTooNewApiVersionsGetsTheOldestBodyAndTheVersions(t *testing.T) {
	s := serve(t, protocol.DefaultMaxRequestBytes, metadataAPI(answerCluster), apiVersionsAPI())
	raw := request(kmsg.NewPtrApiVersionsRequest(), 3, 5)
	binary.BigEndian.PutUint16(raw[6:], 99)
	back := s.send(t, raw)
	resp := kmsg.NewPtrApiVersionsResponse()
	require.NoError(t, resp.ReadFrom(back[8:]))
	require.Equal(t, kerr.UnsupportedVersion.Code, resp.ErrorCode)
	require.Len(t, resp.ApiKeys, 1, "Kafka tells of ApiVersions only")
	require.Equal(t, kmsg.ApiVersions.Int16(), resp.ApiKeys[0].ApiKey)
}

func TestMalformedBytesEndTheirConnectionOnly(t *testing.T) {
	frame := func(body []byte) []byte {
		return append(binary.BigEndian.AppendUint32(nil, uint32(len(body))), body...)
	}
	good := request(kmsg.NewPtrMetadataRequest(), 9, 1)
	for name, tc := range map[string]struct {
		raw  []byte
		says string
	}{
		"negative length":      {[]byte{0xff, 0xff, 0xff, 0xff}, "socket.request.max.bytes"},
		"length over limit":    {[]byte{0x00, 0x01, 0x00, 0x01, 0}, "socket.request.max.bytes"},
		"header too short":     {frame([]byte{0, 3, 0}), "header"},
		"unknown key":          {frame([]byte{0x7f, 0xff, 0, 0, 0, 0, 0, 1, 0xff, 0xff}), "32767"},
		"known, not offered":   {request(kmsg.NewPtrListGroupsRequest(), 0, 1), "API key 16"},
		"version not spoken":   {request(kmsg.NewPtrMetadataRequest(), 0, 1), "versions 1 to 12"},
		"body ends too early":  {frame(good[4 : len(good)-4]), "does not decode"},
		"tagged fields broken": {frame([]byte{0, 3, 0, 9, 0, 0, 0, 1, 0, 1, 'x', 0xff, 0xff, 0xff, 0xff, 0x0f}), "tagged fields"},
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, 1<<16, metadataAPI(answerCluster))
			require.Empty(t, s.send(t, tc.raw))
			bad := s.rejected()
			require.Len(t, bad, 1)
			require.Contains(t, bad[0], tc.says)
			require.NotEmpty(t, s.send(t, good), "the server still answers others")
		})
	}
}

func TestClientRefusesAStrangersAnswer(t *testing.T) {
	e := osenvtest.New(t, osenv.Options{Root: t.TempDir(), Node: "client"})
	l, err := e.Listen("127.0.0.1:0")
	require.NoError(t, err)
	defer func() { _ = l.Close() }()
	e.Go("stranger", func() {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		defer func() { _ = conn.Close() }()
		_, _ = protocol.ReadFrame(conn, 1<<20)
		_, _ = conn.Write(protocol.AppendResponse(nil, 4711, kmsg.NewPtrMetadataResponse()))
	})
	c, err := protocol.Dial(e, l.Addr().String(), "x", time.Second)
	require.NoError(t, err)
	defer c.Close()
	_, err = c.Request(kmsg.NewPtrMetadataRequest(), time.Second)
	require.ErrorContains(t, err, "correlation id 4711")
	_, again := c.Request(kmsg.NewPtrMetadataRequest(), time.Second)
	require.Equal(t, err, again, "a connection that failed once is never used again")
}

func TestFrameGrowsWithItsBytesNotWithItsPromise(t *testing.T) {
	body := bytes.Repeat([]byte("weir"), 1<<20)
	raw := append(binary.BigEndian.AppendUint32(nil, uint32(len(body))), body...)
	got, err := protocol.ReadFrame(bytes.NewReader(raw), 8<<20)
	require.NoError(t, err)
	require.Equal(t, body, got)

	_, err = protocol.ReadFrame(bytes.NewReader(raw[:len(raw)/2]), 8<<20)
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	allocated := testing.AllocsPerRun(5, func() {
		_, _ = protocol.ReadFrame(bytes.NewReader([]byte{0x05, 0xff, 0xff, 0xff, 'x'}), protocol.DefaultMaxRequestBytes)
	})
	require.Less(t, allocated, 10.0)
}

// TestReusedMemoryShowsNowhere has requests and answers of changing sizes share
// memory, beyond what a connection keeps too.
func TestReusedMemoryShowsNowhere(t *testing.T) {
	sizes := []int{1, 5000, 3, 300 << 10, 70000, 2 << 20, 9, 70001}
	for name, keepsNothing := range map[string]bool{"kept": false, "lent": true} {
		t.Run(name, func(t *testing.T) {
			var kept [][]byte
			s := serve(t, protocol.DefaultMaxRequestBytes, protocol.API{
				Key: int16(kmsg.SASLAuthenticate), MaxVersion: 2, Listeners: protocol.BrokerListener, KeepsNothing: keepsNothing,
				Handle: func(c *protocol.Call) kmsg.Response {
					got := c.Request.(*kmsg.SASLAuthenticateRequest).SASLAuthBytes
					resp := kmsg.NewPtrSASLAuthenticateResponse()
					resp.SASLAuthBytes = bytes.Clone(got)
					if !keepsNothing {
						kept = append(kept, got)
					}
					return resp
				},
			})
			c, err := protocol.Dial(s.e, s.addr, "x", time.Second)
			require.NoError(t, err)
			defer c.Close()
			if keepsNothing {
				c.LendAnswers()
			}
			var answers [][]byte
			content := func(i int) []byte { return bytes.Repeat([]byte{byte(i + 1)}, sizes[i]) }
			for i := range sizes {
				req := kmsg.NewPtrSASLAuthenticateRequest()
				req.Version = 2
				req.SASLAuthBytes = content(i)
				resp, err := c.Request(req, 10*time.Second)
				require.NoError(t, err)
				answers = append(answers, resp.(*kmsg.SASLAuthenticateResponse).SASLAuthBytes)
				require.True(t, bytes.Equal(content(i), answers[i]), "answer %d", i)
			}
			if keepsNothing {
				return
			}
			for i := range sizes {
				require.True(t, bytes.Equal(content(i), kept[i]), "request %d", i)
				require.True(t, bytes.Equal(content(i), answers[i]), "answer %d", i)
			}
		})
	}
}

// attachment tells of its end.
type attachment struct{ ended chan int64 }

func (a attachment) Ended() { a.ended <- 1 }

func TestWhatIsKeptForAConnectionEndsWithIt(t *testing.T) {
	kept := attachment{make(chan int64, 2)}
	s := serve(t, 1<<20, metadataAPI(func(c *protocol.Call) kmsg.Response {
		c.Attached = kept
		return answerCluster(c)
	}))
	s.send(t, request(kmsg.NewPtrMetadataRequest(), 12, 1))
	<-kept.ended
	require.Empty(t, kept.ended)
}
