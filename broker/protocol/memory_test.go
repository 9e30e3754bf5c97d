package protocol

import (
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirlab/weir/env"
	"github.com/weirlab/weir/env/osenv"
	"github.com/weirlab/weir/env/osenv/osenvtest"
)

func testEnv(t *testing.T) env.Env {
	return osenvtest.New(t, osenv.Options{Root: t.TempDir(), Node: "server", OnEvent: func(_ string, at time.Duration, name string, attrs []env.Attr) {
		t.Log(at, name, attrs)
	}})
}

func TestABudgetServesInOrderAndIsNeverExceeded(t *testing.T) {
	e := testEnv(t)
	b := newBudget(e, 100)
	require.EqualValues(t, 100, b.acquire(1000), "who asks for more than all gets all")
	require.True(t, b.used == 100 && !b.wanted())
	var order []int
	var tasks []env.Task
	for i, n := range []int64{90, 20, 90} {
		tasks = append(tasks, e.Go("taker", func() {
			got := b.acquire(n)
			order = append(order, i) // one at a time: there is no room for two
			b.mu.Lock()
			assert.LessOrEqual(t, b.used, b.limit)
			b.mu.Unlock()
			b.release(got)
		}))
		require.Eventually(t, func() bool {
			b.mu.Lock()
			defer b.mu.Unlock()
			return b.next == int64(i)+2
		}, time.Minute, time.Millisecond)
	}
	require.True(t, b.wanted())
	require.Zero(t, b.try(1, 1), "others wait already")
	b.release(100)
	for _, task := range tasks {
		task.Wait()
	}
	require.Equal(t, []int{0, 1, 2}, order)
	require.Zero(t, b.used)
}

func TestABudgetGivesWhatIsLeft(t *testing.T) {
	b := newBudget(testEnv(t), 100)
	require.EqualValues(t, 70, b.try(10, 70))
	require.EqualValues(t, 30, b.try(10, 70))
	require.EqualValues(t, 0, b.try(10, 70))
	b.release(100)
	require.EqualValues(t, 200, b.try(200, 300), "a single answer may be larger than all")
}

// bigAnswer answers Metadata with a cluster id of 4 MiB.
func bigAnswer(*Call) kmsg.Response {
	resp := kmsg.NewPtrMetadataResponse()
	resp.ClusterID = kmsg.StringPtr(string(make([]byte, 30<<10)))
	for range 128 {
		broker := kmsg.NewMetadataResponseBroker()
		broker.Host = *resp.ClusterID
		resp.Brokers = append(resp.Brokers, broker)
	}
	return resp
}

// TestLargeAnswersAreMadeInTurn has many connections ask at once for what takes
// much memory to make.
func TestLargeAnswersAreMadeInTurn(t *testing.T) {
	e := testEnv(t)
	l, err := e.Listen("127.0.0.1:0")
	require.NoError(t, err)
	var making, most atomic.Int32
	handle := func(c *Call) kmsg.Response {
		most.Store(max(most.Load(), making.Add(1)))
		defer making.Add(-1)
		time.Sleep(5 * time.Millisecond)
		return bigAnswer(c)
	}
	s := Serve(e, l, NewTable(API{Key: int16(kmsg.Metadata), MaxVersion: 12, Listeners: BrokerListener, LargeAnswers: true, Handle: handle}),
		Options{Memory: NewMemory(e, 0, 64<<20)})
	defer func() { s.Close(); s.Wait() }()
	ask := kmsg.NewRequestFormatter().AppendRequest(nil, kmsg.NewPtrMetadataRequest(), 1)
	read := func() {
		conn, err := net.Dial("tcp", l.Addr().String())
		require.NoError(t, err)
		defer func() { _ = conn.Close() }()
		_, err = conn.Write(ask)
		require.NoError(t, err)
		_, err = ReadFrame(conn, 1<<30)
		assert.NoError(t, err)
	}
	read()
	var tasks []env.Task
	for range 20 {
		tasks = append(tasks, e.Go("reader", read))
	}
	for _, task := range tasks {
		task.Wait()
	}
	require.LessOrEqual(t, most.Load(), int32(2), "of 15 MiB each, in 32 MiB")
}

// TestSlowReadersHoldNoMoreThanTheBudget has many connections ask for answers
// that they do not read, beside one that reads its own: what answers hold stays
// within the budget, and the one gets its answers.
func TestSlowReadersHoldNoMoreThanTheBudget(t *testing.T) {
	e := testEnv(t)
	l, err := e.Listen("127.0.0.1:0")
	require.NoError(t, err)
	const limit = 16 << 20
	memory := NewMemory(e, limit, limit)
	s := Serve(e, l, NewTable(API{Key: int16(kmsg.Metadata), MaxVersion: 12, Listeners: BrokerListener, Handle: bigAnswer}), Options{Memory: memory})
	defer func() { s.Close(); s.Wait() }()
	ask := kmsg.NewRequestFormatter().AppendRequest(nil, kmsg.NewPtrMetadataRequest(), 1)
	dial := func() net.Conn {
		conn, err := net.Dial("tcp", l.Addr().String())
		require.NoError(t, err)
		t.Cleanup(func() { _ = conn.Close() })
		require.NoError(t, conn.SetDeadline(time.Now().Add(time.Minute)))
		_, err = conn.Write(ask)
		require.NoError(t, err)
		return conn
	}
	used := func() int64 {
		memory.answers.mu.Lock()
		defer memory.answers.mu.Unlock()
		return memory.answers.used + memory.answers.waiting
	}
	good := dial()
	for range 3 {
		_, err = ReadFrame(good, 1<<30)
		require.NoError(t, err)
		_, err = good.Write(ask)
		require.NoError(t, err)
	}
	_, err = ReadFrame(good, 1<<30)
	require.NoError(t, err)
	for range 40 {
		conn := dial()
		_, _ = conn.Write(ask) // more than the kernel takes
	}
	require.Eventually(t, func() bool { return used() > limit/2 }, time.Minute, time.Millisecond)
	for range 20 {
		_, err = good.Write(ask)
		require.NoError(t, err)
		_, err = ReadFrame(good, 1<<30)
		require.NoError(t, err)
		require.LessOrEqual(t, used(), int64(limit))
	}
	require.Eventually(t, func() bool { return used() <= limit/2 }, time.Minute, 10*time.Millisecond, "who holds up others is disconnected")
}
