package sim

import (
	"encoding/binary"
	"fmt"
	"slices"
	"time"

	"github.com/weirlab/weir/env"
	"github.com/weirlab/weir/faults"
	"github.com/weirlab/weir/sim/simnet"
	"github.com/weirlab/weir/workloads/target"
)

// post tells messages apart on their way, for faults that are about some of
// them. It looks at the frames of every connection to a broker.
type post struct {
	rules []*rule
	talks map[string]*talk // by name of their connection
}

// rule is what happens to some messages.
type rule struct {
	on     faults.Channel
	key    int16
	answer bool
	hosts  []string // of which one is the sender or the receiver; empty: any
	count  int64    // that it still happens to, negative: all
	by     time.Duration
	snap   bool
	hits   int64
}

// talk is what is known of a connection: the requests that wait for answers.
type talk struct {
	on      faults.Channel
	hosts   [2]string
	waiting []asked
}

type asked struct {
	correlation int32
	key         int16
}

// watchMessages has the network show what it carries, if the plan has faults
// that are about messages. Whoever has none pays nothing.
func (c *Cluster) watchMessages() {
	if !slices.ContainsFunc(c.s.Faults.Plan, func(f faults.Fault) bool { return f.Message != "" }) {
		return
	}
	c.post = &post{talks: map[string]*talk{}}
	c.net.SetCouriers(c.post.courier)
}

// courier looks at what one end of a connection sends.
func (p *post) courier(name string, from, to simnet.Addr) simnet.Courier {
	asks := isBrokerPort(to.Port)
	if !asks && !isBrokerPort(from.Port) {
		return nil
	}
	t := p.talks[name]
	if t == nil {
		client, server := from, to
		if !asks {
			client, server = to, from
		}
		t = &talk{on: faults.ClientChannel, hosts: [2]string{client.Host, server.Host}}
		if _, ok := target.BrokerNumber(client.Host); ok {
			t.on = faults.ReplicaChannel
		}
		if server.Port == controllerPort {
			t.on = faults.QuorumChannel
		}
		p.talks[name] = t
	}
	return &reader{p: p, t: t, asks: asks}
}

func isBrokerPort(port int) bool { return port == brokerPort || port == controllerPort }

// reader finds the messages in what one end sends. A frame is its length in
// four bytes, then, of a request, the API key, its version and a correlation id,
// and of an answer that id alone.
type reader struct {
	p    *post
	t    *talk
	asks bool
	head []byte // of the frame that has begun, as far as it has been seen
	rest int64  // of its body
}

const lengthBytes = 4

func (r *reader) headBytes() int {
	if r.asks {
		return lengthBytes + 8
	}
	return lengthBytes + 4
}

// Carry implements simnet.Courier.
func (r *reader) Carry(pieces [][]byte) (keep time.Duration, snap bool) {
	for _, b := range pieces {
		for len(b) > 0 {
			if r.rest > 0 {
				n := min(r.rest, int64(len(b)))
				r.rest -= n
				b = b[n:]
				continue
			}
			n := min(r.headBytes()-len(r.head), len(b))
			r.head = append(r.head, b[:n]...)
			b = b[n:]
			if len(r.head) < r.headBytes() {
				continue
			}
			by, reset := r.message()
			keep, snap = max(keep, by), snap || reset
			r.rest = int64(binary.BigEndian.Uint32(r.head)) - int64(r.headBytes()-lengthBytes)
			r.head = r.head[:0]
		}
	}
	return keep, snap
}

// message judges the message whose head has been read.
func (r *reader) message() (keep time.Duration, snap bool) {
	h := r.head[lengthBytes:]
	var key int16
	if r.asks {
		key = int16(binary.BigEndian.Uint16(h))
		r.t.waiting = append(r.t.waiting, asked{int32(binary.BigEndian.Uint32(h[4:])), key})
	} else {
		id := int32(binary.BigEndian.Uint32(h))
		// A Produce request with acks=0 gets no answer.
		i := slices.IndexFunc(r.t.waiting, func(a asked) bool { return a.correlation == id })
		if i < 0 {
			return 0, false
		}
		key = r.t.waiting[i].key
		r.t.waiting = slices.Delete(r.t.waiting, 0, i+1)
	}
	for _, rule := range r.p.rules {
		if rule.meets(r.t, key, !r.asks) {
			rule.hits++
			rule.count--
			keep, snap = max(keep, rule.by), snap || rule.snap
		}
	}
	return keep, snap
}

func (r *rule) meets(t *talk, key int16, answer bool) bool {
	return r.count != 0 && r.key == key && r.answer == answer && (r.on == faults.AnyChannel || r.on == t.on) &&
		(len(r.hosts) == 0 || slices.Contains(r.hosts, t.hosts[0]) || slices.Contains(r.hosts, t.hosts[1]))
}

// enforce has something happen to messages until Undo.
func (c *Cluster) enforce(which faults.Message, brokers []int, count int64, what rule, verb string) (*faults.Strike, error) {
	on, key, answer, err := which.Parse()
	if err != nil {
		return nil, err
	}
	what.on, what.key, what.answer, what.count, what.hosts = on, key, answer, count, names(brokers)
	if count == 0 {
		what.count = -1
	}
	r := &what
	c.post.rules = append(c.post.rules, r)
	s := &faults.Strike{}
	s.Undo = func(env.Env) string {
		c.post.rules = slices.DeleteFunc(c.post.rules, func(o *rule) bool { return o == r })
		s.Idle = r.hits == 0
		return fmt.Sprintf("%d messages %s", r.hits, verb)
	}
	return s, nil
}

// DelayMessages implements faults.Messages.
func (c *Cluster) DelayMessages(_ env.Env, which faults.Message, brokers []int, count int64, by time.Duration) (*faults.Strike, error) {
	return c.enforce(which, brokers, count, rule{by: by}, "delayed")
}

// SnapAtMessages implements faults.Messages.
func (c *Cluster) SnapAtMessages(_ env.Env, which faults.Message, brokers []int, count int64) (*faults.Strike, error) {
	return c.enforce(which, brokers, count, rule{snap: true}, "lost with their connections")
}

// Reset implements faults.Links.
func (c *Cluster) Reset(_ env.Env, between, and []int) (*faults.Strike, error) {
	n := c.net.Snap(names(between), names(and))
	return &faults.Strike{Idle: n == 0, Undo: func(env.Env) string { return fmt.Sprintf("%d connections reset", n) }}, nil
}

// Worsen implements faults.Links. Faults of the same links add up.
func (c *Cluster) Worsen(_ env.Env, between, and []int, oneWay bool, by time.Duration, lossPPM int64) (*faults.Strike, error) {
	before := c.net.Stats()
	change := func(sign int64) {
		for _, from := range names(between) {
			for _, to := range names(and) {
				worsen(c.net, from, to, time.Duration(sign)*by, sign*lossPPM)
				if !oneWay {
					worsen(c.net, to, from, time.Duration(sign)*by, sign*lossPPM)
				}
			}
		}
	}
	change(1)
	s := &faults.Strike{}
	s.Undo = func(env.Env) string {
		change(-1)
		after := c.net.Stats()
		late, lost := after.Slowed-before.Slowed, after.Lost-before.Lost
		if lossPPM > 0 {
			s.Idle = lost == 0
			return fmt.Sprintf("%d packets lost and sent again", lost)
		}
		s.Idle = late == 0
		return fmt.Sprintf("%d packets late", late)
	}
	return s, nil
}

func worsen(net *simnet.Network, from, to string, by time.Duration, lossPPM int64) {
	link := net.Link(from, to)
	link.ExtraDelay += by
	link.LossPPM += lossPPM
	net.SetLink(from, to, link)
}

func names(brokers []int) []string {
	var list []string
	for _, b := range brokers {
		list = append(list, target.BrokerName(b))
	}
	return list
}
