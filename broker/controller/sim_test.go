package controller_test

import (
	"fmt"
	"net"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirlab/weir/broker/controller"
	"github.com/weirlab/weir/broker/metadata"
	"github.com/weirlab/weir/broker/protocol"
	"github.com/weirlab/weir/broker/storage"
	"github.com/weirlab/weir/env"
	"github.com/weirlab/weir/env/envtest"
	"github.com/weirlab/weir/sim"
	"github.com/weirlab/weir/sim/simdisk"
	"github.com/weirlab/weir/sim/simnet"
)

// simQuorum is a quorum in the simulator: three machines with disks and a
// network, and one with a client.
type simQuorum struct {
	t      *testing.T
	k      *sim.Kernel
	net    *simnet.Network
	voters []controller.Voter
	sims   []*sim.Node
	nodes  []*controller.Node // of the present life, nil while down
	rand   *env.Rand

	// What is committed at each offset, as the first node that applied it saw
	// it: everyone else must see the same.
	committed map[int64]string
	acked     []string
	active    map[int32]int32 // epoch to the controller active in it

	snapshotBytes int64
	installs      int
}

func newSimQuorum(t *testing.T, seed uint64, snapshotBytes int64) *simQuorum {
	t.Helper()
	envtest.NoRaces(t, "a simulated quorum")
	k := sim.NewKernel(sim.Options{Seed: seed})
	q := &simQuorum{t: t, k: k, net: simnet.New(k, simnet.Options{}), rand: env.NewRand(seed, "faults", ""),
		committed: map[int64]string{}, active: map[int32]int32{}, snapshotBytes: snapshotBytes}
	for i := range 3 {
		q.voters = append(q.voters, controller.Voter{ID: int32(i + 1), Host: fmt.Sprint("n", i+1), Port: 9093})
	}
	q.nodes = make([]*controller.Node, 3)
	for i, v := range q.voters {
		n := k.NewNode(v.Host)
		q.net.Attach(n, v.Host)
		n.SetFS(simdisk.New(k, n, simdisk.GP3()))
		n.OnCrash(func(sim.CrashKind) { q.nodes[i] = nil })
		q.sims = append(q.sims, n)
		q.start(i)
	}
	k.OnEvent(func(node string, at time.Duration, name string, attrs []env.Attr) {
		switch name {
		case "snapshot-installed":
			q.installs++
		case "quorum-failed", "snapshot-damaged":
			t.Errorf("%v %s: %v", at, node, attrs)
		case "controller":
			epoch, id := int32(attrs[0].Int), int32(node[1]-'0')
			if other, twice := q.active[epoch]; twice {
				t.Errorf("%v: node %d is the controller of epoch %d, which node %d was", at, id, epoch, other)
			}
			q.active[epoch] = id
		}
	})
	client := k.NewNode("client")
	q.net.Attach(client, "client")
	client.Start("client", q.client)
	return q
}

func (q *simQuorum) start(i int) {
	self := q.voters[i]
	q.sims[i].Start("voter", func(e env.Env) {
		must(e.FS().MkdirAll("meta"))
		log, _, err := storage.Open(e, "meta", storage.Config{})
		must(err)
		node, err := controller.New(e, controller.Config{NodeID: self.ID, ClusterID: "c", Voters: q.voters, SnapshotBytes: q.snapshotBytes}, log, "meta",
			func(to controller.Voter, req kmsg.Request, timeout time.Duration) (kmsg.Response, error) {
				return ask(e, to, req, timeout)
			})
		must(err)
		var apis []protocol.API
		for _, a := range controller.APIs() {
			apis = append(apis, protocol.API{Key: a.Key, MinVersion: a.MinVersion, MaxVersion: a.MaxVersion, Listeners: protocol.ControllerListener,
				Handle: func(c *protocol.Call) kmsg.Response { return node.Handle(c.Request) }})
		}
		apis = append(apis, protocol.API{Key: 1, MinVersion: 12, MaxVersion: 12, Listeners: protocol.ControllerListener,
			Handle: func(c *protocol.Call) kmsg.Response { return node.HandleFetch(c.Request.(*kmsg.FetchRequest)) }})
		listener, err := e.Listen(net.JoinHostPort(self.Host, "9093"))
		must(err)
		node.Start()
		node.Subscribe(func(img *metadata.Image, _ metadata.Delta) { q.applied(self.ID, img) })
		q.nodes[i] = node
		protocol.Serve(e, listener, protocol.NewTable(apis...), protocol.Options{Listener: protocol.ControllerListener})
		e.NewSignal().Wait(env.Forever)
	})
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

// ask sends one request over a connection of its own.
func ask(e env.Env, to controller.Voter, req kmsg.Request, timeout time.Duration) (kmsg.Response, error) {
	c, err := protocol.Dial(e, net.JoinHostPort(to.Host, strconv.Itoa(int(to.Port))), "test", timeout)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	return c.Request(req, timeout)
}

// applied holds that every node goes through the same states.
func (q *simQuorum) applied(id int32, img *metadata.Image) {
	state := fmt.Sprintf("epoch %d, brokers %v, topics", img.Epoch(), len(img.Brokers()))
	for _, topic := range img.Topics() {
		state += " " + topic.Name + "=" + topic.ID.String()
	}
	if seen, ok := q.committed[img.Offset()]; ok && seen != state {
		q.t.Errorf("node %d has at offset %d\n%s\nwhere was committed\n%s", id, img.Offset(), state, seen)
	}
	q.committed[img.Offset()] = state
}

// client registers a broker and then creates topic after topic, asking one
// node after the other, and remembers what it was promised.
func (q *simQuorum) client(e env.Env) {
	reg := kmsg.NewPtrBrokerRegistrationRequest()
	reg.Version, reg.BrokerID, reg.ClusterID, reg.IncarnationID[0] = 4, 1, "c", 1
	reg.Listeners = []kmsg.BrokerRegistrationRequestListener{{Host: "b", Port: 1}}
	beat := kmsg.NewPtrBrokerHeartbeatRequest()
	beat.BrokerID, beat.BrokerEpoch = 1, -1
	for i := 0; ; i++ {
		to := q.voters[i%3]
		if resp, err := ask(e, to, reg, time.Second); err == nil && resp.(*kmsg.BrokerRegistrationResponse).ErrorCode == 0 {
			beat.BrokerEpoch = resp.(*kmsg.BrokerRegistrationResponse).BrokerEpoch
			beat.CurrentMetadataOffset = beat.BrokerEpoch
			if _, err := ask(e, to, beat, time.Second); err == nil {
				name := fmt.Sprint("t", i)
				create := kmsg.NewPtrCreateTopicsRequest()
				create.Version, create.TimeoutMillis = 7, 0 // there is no broker that would apply it
				rt := kmsg.NewCreateTopicsRequestTopic()
				rt.Topic, rt.NumPartitions, rt.ReplicationFactor = name, 1, 1
				create.Topics = append(create.Topics, rt)
				if resp, err := ask(e, to, create, 2*time.Second); err == nil && resp.(*kmsg.CreateTopicsResponse).Topics[0].ErrorCode == 0 {
					q.acked = append(q.acked, name)
				}
			}
		}
		e.Sleep(50 * time.Millisecond)
	}
}

// disturb does something to a machine or the network, now and again, until end.
func (q *simQuorum) disturb(end time.Duration) {
	if q.k.Now() >= end {
		q.net.HealAll()
		for i, n := range q.sims {
			q.revive(i, n)
		}
		return
	}
	i := q.rand.Intn(3)
	n := q.sims[i]
	switch q.rand.Intn(8) {
	case 0, 1:
		n.Crash()
	case 2:
		n.PowerOff()
	case 3:
		n.Pause()
	case 4:
		q.net.Partition([]string{n.Name()}, []string{q.voters[(i+1)%3].Host, q.voters[(i+2)%3].Host}, q.rand.Chance(1, 3))
	case 5:
		q.net.HealAll()
	default:
		q.revive(i, n)
	}
	q.k.After(q.rand.Between(100*time.Millisecond, 4*time.Second), "disturb", func() { q.disturb(end) })
}

func (q *simQuorum) revive(i int, n *sim.Node) {
	n.Resume()
	if !n.Powered() {
		n.PowerOn()
	}
	if !n.Alive() {
		q.start(i)
	}
}

// TestQuorumSurvivesFaults: crashes, power losses, pauses and partitions never
// take back what was acknowledged, all nodes go through the same states, and
// the quorum works again when the faults end.
func TestQuorumSurvivesFaults(t *testing.T) {
	seeds := uint64(10)
	if testing.Short() {
		seeds = 5
	}
	acked, terms, installs := 0, 0, 0
	for seed := range seeds {
		q := newSimQuorum(t, seed, 2000*int64(seed%2)) // every other one writes snapshots all the time
		q.k.After(3*time.Second, "disturb", func() { q.disturb(90 * time.Second) })
		require.NoError(t, q.k.RunUntil(90*time.Second), "seed %d", seed)
		before := len(q.acked)
		require.NoError(t, q.k.RunUntil(120*time.Second), "seed %d", seed)
		require.Empty(t, q.k.Failures(), "seed %d", seed)
		require.Greater(t, len(q.acked), before, "seed %d: nothing works after the faults", seed)
		topics := map[string]bool{}
		for _, n := range q.nodes {
			require.NotNil(t, n)
			if n.View().Active {
				for _, topic := range n.Image().Topics() {
					topics[topic.Name] = true
				}
			}
		}
		for _, name := range q.acked {
			require.True(t, topics[name], "seed %d: topic %s was acknowledged and is gone", seed, name)
		}
		acked, terms, installs = acked+len(q.acked), terms+len(q.active), installs+q.installs
		require.NoError(t, q.k.Close())
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
	t.Logf("%d seeds: %d topics acknowledged by controllers of %d epochs, %d snapshots installed", seeds, acked, terms, installs)
	require.Positive(t, installs, "nodes must fall behind the beginning of the log")
	require.Greater(t, terms, int(seeds)*3, "the faults must cause elections")
}
