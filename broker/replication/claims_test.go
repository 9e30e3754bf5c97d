package replication

import (
	"maps"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// The model of compaction on three replicas: every delete horizon passes at once,
// and replicas clean, stay away, lose their disks and are elected at any time.

type keyedRecord struct {
	offset int64
	key    int
	value  int // 0 is a tombstone
}

type keyedReplica struct {
	id          int32
	records     []keyedRecord
	end         int64
	dirtyFrom   int64
	own         ownClaim
	removeBelow int64
	claims      claims
	brokerEpoch int64
	up, isr     bool
	told        int64 // the claim that the leader has acknowledged in this epoch, -1 if none
}

func (r *keyedReplica) fold(upTo int64) map[int]int {
	values := map[int]int{}
	for _, rec := range r.records {
		if rec.offset < upTo {
			values[rec.key] = rec.value
		}
	}
	maps.DeleteFunc(values, func(_, value int) bool { return value == 0 })
	return values
}

// clean removes below upTo what is superseded, and the tombstones that nobody needs.
func (r *keyedReplica) clean(upTo, removeBelow int64) {
	last := map[int]int64{}
	for _, rec := range r.records {
		if rec.offset < upTo {
			last[rec.key] = rec.offset
		}
	}
	r.records = slices.DeleteFunc(r.records, func(rec keyedRecord) bool {
		return rec.offset < last[rec.key] || rec.value == 0 && rec.offset < upTo && rec.offset < min(removeBelow, r.dirtyFrom)
	})
	r.dirtyFrom = max(r.dirtyFrom, upTo)
	r.own.cleaned(r.dirtyFrom, 0)
}

type keyedCluster struct {
	replicas []*keyedReplica
	history  keyedReplica // all that was ever written
	leader   *keyedReplica
	epoch    int32
	byTime   bool // as Kafka does
}

var keyedIDs = []int32{0, 1, 2}

func newKeyedCluster() *keyedCluster {
	c := &keyedCluster{}
	for _, id := range keyedIDs {
		c.replicas = append(c.replicas, &keyedReplica{id: id, up: true, isr: true, told: -1})
	}
	c.leader = c.replicas[0]
	return c
}

// mark is the high watermark.
func (c *keyedCluster) mark() int64 {
	mark := int64(math.MaxInt64)
	for _, r := range c.replicas {
		if r.isr {
			mark = min(mark, r.end)
		}
	}
	return mark
}

func (c *keyedCluster) write(key, value int) {
	rec := keyedRecord{c.leader.end, key, value}
	c.leader.records = append(c.leader.records, rec)
	c.history.records = append(c.history.records, rec)
	c.leader.end++
}

// fetch is one fetch of a follower, with its answer.
func (c *keyedCluster) fetch(r *keyedReplica) {
	l := c.leader
	if !r.up || r == l {
		return
	}
	claim := int64(-1)
	if own := r.own.upTo(0, 0); own != r.told {
		claim, r.told = own, own
	}
	l.claims.note(c.epoch, r.id, r.brokerEpoch, claim)
	c.lead()
	if below := l.claims.tell(r.id, l.removeBelow); below >= 0 {
		r.removeBelow = max(r.removeBelow, below)
	}
	if i := slices.IndexFunc(l.records, func(rec keyedRecord) bool { return rec.offset >= r.end }); i >= 0 {
		r.records = append(r.records, l.records[i])
		r.end = l.records[i].offset + 1
	} else {
		r.end = l.end
	}
	r.isr = r.isr || r.end == l.end
}

// lead works out what nobody needs any more.
func (c *keyedCluster) lead() {
	l := c.leader
	l.removeBelow = max(l.removeBelow, min(l.own.upTo(0, 0), l.claims.smallest(c.epoch, keyedIDs, l.id)))
}

func (c *keyedCluster) elect(r *keyedReplica) {
	if !r.up || !r.isr {
		return
	}
	c.epoch++
	c.leader = r
	for _, other := range c.replicas {
		other.told = -1
		if other.end > r.end { // what was not committed is cut off
			other.records = slices.DeleteFunc(other.records, func(rec keyedRecord) bool { return rec.offset >= r.end })
			other.end = r.end
		}
	}
	c.history.records = slices.DeleteFunc(c.history.records, func(rec keyedRecord) bool { return rec.offset >= r.end })
}

func (c *keyedCluster) step(t *rapid.T) {
	r := c.replicas[rapid.IntRange(0, 2).Draw(t, "replica")]
	switch rapid.IntRange(0, 9).Draw(t, "what") {
	case 0, 1:
		if c.leader.up {
			c.write(rapid.IntRange(0, 1).Draw(t, "key"), len(c.history.records)+1)
		}
	case 2:
		if c.leader.up {
			c.write(rapid.IntRange(0, 1).Draw(t, "key"), 0)
		}
	case 3, 4, 5:
		c.fetch(r)
	case 6:
		if r.up {
			below := r.removeBelow
			if r == c.leader {
				c.lead()
				below = r.removeBelow
			}
			if c.byTime {
				below = math.MaxInt64
			}
			r.clean(min(c.mark(), r.end), below)
		}
	case 7:
		c.elect(r)
	case 8:
		if r != c.leader { // it goes, or comes back, maybe without its disk
			r.up, r.isr, r.told = !r.up, false, -1
			if r.up {
				r.brokerEpoch++
				if rapid.Bool().Draw(t, "wiped") {
					*r = keyedReplica{id: r.id, up: true, brokerEpoch: r.brokerEpoch, told: -1}
				}
			}
		}
	case 9:
		if r.up && r != c.leader { // nothing is lost, but it fetches anew
			r.told = -1
		}
	}
}

// broken is a replica that could lead and holds something else than was written.
func (c *keyedCluster) broken() *keyedReplica {
	mark := c.mark()
	want := c.history.fold(mark)
	for _, r := range c.replicas {
		if r.isr && !maps.Equal(want, r.fold(mark)) {
			return r
		}
	}
	return nil
}

func TestNoReplicaBringsADeletedKeyBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := newKeyedCluster()
		for range rapid.IntRange(1, 80).Draw(t, "steps") {
			c.step(t)
			if r := c.broken(); r != nil {
				t.Fatalf("replica %d may lead and holds %v of %v", r.id, r.records, c.history.records)
			}
		}
	})
}

// The race that claims are there to close (Redpanda's report on Kafka 3.9 to 4.2):
// the model meets it where tombstones go by time.
func TestRemovalByTimeBringsADeletedKeyBack(t *testing.T) {
	for _, byTime := range []bool{false, true} {
		c := newKeyedCluster()
		c.byTime = byTime
		below := func(r *keyedReplica) int64 {
			c.lead()
			if byTime {
				return math.MaxInt64
			}
			return r.removeBelow
		}
		away := c.replicas[2]
		c.write(0, 1)
		c.fetch(c.replicas[1])
		c.fetch(away)
		away.up, away.isr = false, false
		c.write(0, 0)
		c.write(1, 7)
		c.fetch(c.replicas[1])
		c.fetch(c.replicas[1])
		c.leader.clean(2, below(c.leader))
		c.leader.clean(3, below(c.leader))
		away.up = true
		for range 3 {
			c.fetch(away)
		}
		require.True(t, away.isr)
		require.Equal(t, byTime, c.broken() == away)
	}
}

func TestClaimsOfAnEarlierLifeCountForNothing(t *testing.T) {
	var c claims
	c.note(4, 1, 10, 50)
	require.Equal(t, int64(50), c.smallest(4, []int32{0, 1}, 0))
	require.Zero(t, c.smallest(4, []int32{0, 1, 2}, 0), "who has claimed nothing may need everything")
	require.Zero(t, c.smallest(5, []int32{0, 1}, 0), "claims are of one epoch")
	c.note(4, 1, 11, -1)
	require.Zero(t, c.smallest(4, []int32{0, 1}, 0), "the broker may have lost its disk")
	c.note(4, 1, 10, 50)
	require.Zero(t, c.smallest(4, []int32{0, 1}, 0), "a fetch that was under way")
	c.note(4, 1, 11, 30)
	c.note(4, 1, 11, -1)
	require.Equal(t, int64(30), c.smallest(4, []int32{0, 1}, 0))
	require.Equal(t, int64(20), c.tell(1, 20))
	require.Equal(t, int64(-1), c.tell(1, 20), "it knows")
	c.note(4, 1, 11, 30)
	require.Equal(t, int64(20), c.tell(1, 20), "whoever claims anew is told anew")
}

func TestOwnClaimWaits(t *testing.T) {
	var c ownClaim
	c.cleaned(10, time.Second)
	c.cleaned(20, 3*time.Second)
	require.Zero(t, c.upTo(5*time.Second, 10*time.Second))
	require.Equal(t, int64(10), c.upTo(11*time.Second, 10*time.Second))
	c.cut(5)
	require.Equal(t, int64(5), c.upTo(12*time.Second, 10*time.Second))
	require.Equal(t, int64(5), c.upTo(time.Hour, 10*time.Second), "what was cut is not clean")
}
