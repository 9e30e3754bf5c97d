package share

import (
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"
	"pgregory.net/rapid"
)

// world is a share partition, the coordinator behind it, and what everybody has been
// told. Its steps check what must hold after any history:
//
//   - a record is one member's at a time,
//   - each delivery is counted, up to the limit,
//   - what was acknowledged and written is never handed out again,
//   - the coordinator has what the leader has, but for what is in somebody's hands.
type world struct {
	t   require.TestingT
	l   Limits
	now time.Duration
	log []FetchedBatch

	p     *Partition
	write *State // under way
	kept  coordinator
	lost  bool // a write was carried out that this leader takes for failed

	owner map[int64]string // who may acknowledge
	count map[int64]int16  // deliveries that this leader knows
	done  map[int64]bool   // accepted or rejected, and written
	asked map[int64]AcknowledgeType
	sent  map[int64]AcknowledgeType // asked, of those in the write under way
}

// coordinator merges writes one offset at a time.
type coordinator struct {
	start   int64
	records map[int64]Batch
}

func (c *coordinator) write(s State) {
	c.start = max(c.start, s.StartOffset)
	for _, b := range s.Batches {
		for o := b.First; o <= b.Last; o++ {
			c.records[o] = Batch{o, o, b.State, b.DeliveryCount}
		}
	}
	maps.DeleteFunc(c.records, func(o int64, _ Batch) bool { return o < c.start })
}

func (c *coordinator) state() State {
	s := State{StartOffset: c.start}
	for _, o := range slices.Sorted(maps.Keys(c.records)) {
		s.Batches = append(s.Batches, c.records[o])
	}
	return s
}

func newWorld(t require.TestingT, l Limits, log []FetchedBatch) *world {
	w := &world{t: t, l: l, log: log, kept: coordinator{start: Uninitialized, records: map[int64]Batch{}}, done: map[int64]bool{}}
	w.load()
	return w
}

func (w *world) clone() *world {
	c := *w
	p := *w.p
	p.runs = slices.Clone(p.runs)
	c.p, c.kept.records = &p, maps.Clone(w.kept.records)
	c.owner, c.count, c.done, c.asked, c.sent = maps.Clone(w.owner), maps.Clone(w.count), maps.Clone(w.done), maps.Clone(w.asked), maps.Clone(w.sent)
	return &c
}

// load has another leader begin. A write under way may have been carried out.
func (w *world) load() {
	p, err := Load(w.kept.state(), 1, 0)
	require.NoError(w.t, err)
	w.p, w.write, w.lost = p, nil, false
	w.owner, w.count, w.asked, w.sent = map[int64]string{}, map[int64]int16{}, map[int64]AcknowledgeType{}, map[int64]AcknowledgeType{}
	for o, b := range w.kept.records {
		w.count[o] = b.DeliveryCount
	}
	w.check()
}

// read is what a fetch gives, up to so many batches.
func (w *world) read(offset int64, batches int) Fetched {
	f := Fetched{Offset: offset}
	for _, b := range w.log {
		if b.Last >= offset && len(f.Batches) < batches {
			f.Batches = append(f.Batches, b)
		}
	}
	return f
}

func (w *world) acquire(a Acquisition, batches int) (got int64) {
	offset, ok := w.p.NextFetch(w.l)
	if !ok {
		return 0
	}
	before := int64(-1)
	for _, h := range w.p.Acquire(w.now, w.l, a, w.read(offset, batches)) {
		require.Greater(w.t, h.First, before, "handed out in order")
		for o := h.First; o <= h.Last; o++ {
			require.Empty(w.t, w.owner[o], "offset %d has an owner", o)
			require.False(w.t, w.done[o], "offset %d is done", o)
			require.False(w.t, w.aborted(o), "offset %d was aborted", o)
			w.owner[o] = a.Member
			w.count[o]++
			require.Equal(w.t, w.count[o], h.DeliveryCount, "offset %d", o)
			require.LessOrEqual(w.t, h.DeliveryCount, w.l.DeliveryCount, "offset %d", o)
			got++
		}
		before = h.Last
	}
	if a.Strict {
		require.LessOrEqual(w.t, got, a.MaxRecords)
	}
	w.check()
	return got
}

func (w *world) aborted(o int64) bool {
	return slices.ContainsFunc(w.log, func(b FetchedBatch) bool { return b.Aborted && b.First <= o && o <= b.Last })
}

// acknowledge has a member acknowledge offsets; it must be allowed exactly if all are
// the member's.
func (w *world) acknowledge(member string, first, last int64, types ...AcknowledgeType) {
	mine := true
	for o := max(first, w.p.start); o <= last; o++ {
		_, asked := w.asked[o]
		mine = mine && w.owner[o] == member && !asked
	}
	code := w.p.Acknowledge(w.now, w.l, member, []Acknowledgement{{First: first, Last: last, Types: types}})
	require.Equal(w.t, mine, code == 0, "code %d", code)
	if mine {
		for o := max(first, w.p.start); o <= last; o++ {
			a := Acknowledgement{First: first, Types: types}
			if a.typeOf(o) != Renew {
				w.asked[o] = a.typeOf(o)
			}
		}
	}
	w.check()
}

func (w *world) begin() {
	if w.write == nil && w.p.Unwritten() {
		s := w.p.BeginWrite()
		before := s.StartOffset - 1
		for _, b := range s.Batches {
			require.Greater(w.t, b.First, before, "batches are ascending, from the start offset on")
			require.True(w.t, b.State == Available || b.State.terminal())
			before = b.Last
		}
		w.write, w.sent = &s, maps.Clone(w.asked)
		w.check()
	}
}

// end ends the write: carried out or not, and with this said or not.
func (w *world) end(carried, well bool) {
	if w.write == nil {
		return
	}
	if carried {
		w.kept.write(*w.write)
	}
	w.lost = w.lost || carried && !well
	w.p.EndWrite(w.now, w.l, carried && well)
	w.write = nil
	for o, t := range w.sent {
		if carried && well {
			w.done[o] = w.done[o] || t == Accept || t == Reject || t == Gap
			delete(w.owner, o)
		}
		delete(w.asked, o)
	}
	w.sent = map[int64]AcknowledgeType{}
	w.disown()
	w.check()
	if carried && well && !w.p.Unwritten() {
		w.checkKept()
	}
}

// disown takes what the leader has taken from its owner.
func (w *world) disown() {
	for o := range w.owner {
		if i := w.p.at(o); o < w.p.start || w.p.runs[i].state != Acquired {
			delete(w.owner, o)
			delete(w.asked, o)
		}
	}
}

func (w *world) expire(now time.Duration) {
	w.p.Expire(now, w.l)
	w.disown()
	w.check()
}

func (w *world) release(member string) {
	w.p.ReleaseMember(w.l, member)
	w.disown()
	for o, m := range w.owner {
		_, asked := w.asked[o]
		require.True(w.t, m != member || asked, "offset %d is still of a member that has gone", o)
	}
	w.check()
}

// crash has another leader begin; the write under way is carried out or not.
func (w *world) crash(carried bool) {
	if carried && w.write != nil {
		w.kept.write(*w.write)
	}
	w.load()
}

// check looks at the leader as such.
func (w *world) check() {
	p := w.p
	at := p.start
	for i, r := range p.runs {
		switch {
		case r.first != at || r.last < r.first:
			require.Fail(w.t, "runs leave gaps", "%+v", p)
		case (r.state == Acquired) != (r.member != "") || r.asked && r.state != Acquired:
			require.Fail(w.t, "a run is in two states", "%+v", p)
		case i == 0 && r.state.terminal():
			require.Fail(w.t, "the window begins with what is done", "%+v", p)
		}
		at = r.last + 1
	}
	if at != p.end {
		require.Fail(w.t, "the window ends elsewhere", "%+v", p)
	}
}

// checkKept compares the coordinator with the leader, when it has heard of everything.
func (w *world) checkKept() {
	o, err := Load(w.kept.state(), 1, 0)
	require.NoError(w.t, err)
	if !w.lost {
		require.Equal(w.t, w.p.start, o.start)
	}
	require.GreaterOrEqual(w.t, o.start, w.p.start)
	for at := w.p.start; at < w.p.end; at++ {
		want, got := w.p.runs[w.p.at(at)], run{state: Available}
		if at < o.start || w.lost && want.state == Acquired { // its owner has acknowledged it once
			continue
		}
		if at < o.end {
			got = o.runs[o.at(at)]
		}
		if want.state == Acquired { // to the next leader it is available, delivered as often as it has heard
			require.Equal(w.t, Available, got.state)
			require.Less(w.t, got.count, want.count)
			continue
		}
		require.Equal(w.t, want.state, got.state, "offset %d", at)
		require.Equal(w.t, want.count, got.count, "offset %d", at)
	}
}

// key tells worlds of a few records and deliveries apart.
func (w *world) key() string {
	flag := func(list ...bool) (n byte) {
		for i, set := range list {
			if set {
				n |= 1 << i
			}
		}
		return n
	}
	b := []byte{byte(w.p.start), byte(w.p.end), byte(w.p.told), byte(w.p.writingStart), byte(w.kept.start), flag(w.p.writing, w.lost)}
	for _, r := range w.p.runs {
		b = append(b, byte(r.last), byte(r.state), byte(r.count), byte(r.next), flag(r.asked, r.stale, r.written))
		b = append(b, r.member...)
	}
	for o := range int64(3) {
		kept, has := w.kept.records[o]
		_, asked := w.asked[o]
		_, sent := w.sent[o]
		b = append(b, byte(kept.State), byte(kept.DeliveryCount), flag(has, w.done[o], asked, sent), byte(w.asked[o]), byte(w.sent[o]))
	}
	return string(b)
}

// Every history of two members with two records, of which each may be delivered twice.
func TestEveryHistoryOfASmallPartition(t *testing.T) {
	l := Limits{LockDuration: time.Second, DeliveryCount: 2, RecordLocks: 3, Renew: true}
	first := newWorld(t, l, []FetchedBatch{{First: 0, Last: 1}})
	steps := []func(w *world){
		func(w *world) { w.acquire(Acquisition{Member: "a", MaxRecords: 1}, 2) },
		func(w *world) { w.acquire(Acquisition{Member: "b", MaxRecords: 1, Strict: true}, 1) },
		func(w *world) { w.acknowledge("a", 0, 1, Accept) },
		func(w *world) { w.acknowledge("a", 0, 1, Release, Accept) },
		func(w *world) { w.acknowledge("a", 1, 1, Reject) },
		func(w *world) { w.acknowledge("b", 0, 0, Accept) },
		func(w *world) { w.acknowledge("b", 1, 1, Release) },
		func(w *world) { w.expire(w.now + l.LockDuration) },
		func(w *world) { w.release("b") },
		func(w *world) { w.begin() },
		func(w *world) { w.end(true, true) },
		func(w *world) { w.end(true, false) },
		func(w *world) { w.end(false, false) },
		func(w *world) { w.now += l.LockDuration; w.end(false, false); w.now -= l.LockDuration },
		func(w *world) { w.crash(true) },
		func(w *world) { w.crash(false) },
	}
	seen := map[string]bool{first.key(): true}
	for queue := []*world{first}; len(queue) > 0; {
		w := queue[0]
		queue = queue[1:]
		for _, step := range steps {
			next := w.clone()
			step(next)
			if key := next.key(); !seen[key] {
				seen[key] = true
				queue = append(queue, next)
			}
		}
	}
	t.Log(len(seen), "states")
	require.Greater(t, len(seen), 1000)
}

// Long histories of larger partitions, with gaps and aborted batches in the log.
func TestHistoriesOfAPartition(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var log []FetchedBatch
		for at := int64(0); at < 60; {
			b := FetchedBatch{First: at + int64(rapid.SampledFrom([]int{0, 0, 0, 3}).Draw(t, "gap")), Aborted: rapid.IntRange(0, 5).Draw(t, "aborted") == 0}
			b.Last = b.First + int64(rapid.IntRange(0, 6).Draw(t, "size"))
			log, at = append(log, b), b.Last+1
		}
		l := Limits{LockDuration: time.Second, DeliveryCount: int16(rapid.IntRange(2, 6).Draw(t, "limit")), RecordLocks: int64(rapid.IntRange(1, 30).Draw(t, "locks")), Renew: true}
		w := newWorld(t, l, log)
		members := rapid.SampledFrom([]string{"a", "b", "c"})
		types := rapid.SampledFrom([]AcknowledgeType{Gap, Accept, Accept, Release, Release, Reject, Renew})
		range_ := func() (first, last int64) {
			first = w.p.start + int64(rapid.IntRange(-1, 12).Draw(t, "first"))
			return max(first, 0), max(first, 0) + int64(rapid.IntRange(0, 6).Draw(t, "more"))
		}
		t.Repeat(map[string]func(*rapid.T){
			"acquire": func(t *rapid.T) {
				w.acquire(Acquisition{Member: members.Draw(t, "member"), MaxRecords: int64(rapid.IntRange(1, 20).Draw(t, "max")),
					BatchSize: int64(rapid.IntRange(0, 8).Draw(t, "batch")), Strict: rapid.Bool().Draw(t, "strict")}, rapid.IntRange(1, 5).Draw(t, "batches"))
			},
			"acknowledge": func(t *rapid.T) {
				first, last := range_()
				w.acknowledge(members.Draw(t, "member"), first, last, types.Draw(t, "type"))
			},
			"acknowledge each": func(t *rapid.T) {
				first, last := range_()
				list := make([]AcknowledgeType, last-first+1)
				for i := range list {
					list[i] = types.Draw(t, "type")
				}
				w.acknowledge(members.Draw(t, "member"), first, last, list...)
			},
			"acknowledge what is mine": func(t *rapid.T) {
				for _, o := range slices.Sorted(maps.Keys(w.owner)) {
					if _, asked := w.asked[o]; !asked {
						w.acknowledge(w.owner[o], o, o, types.Draw(t, "type"))
						return
					}
				}
			},
			"time": func(t *rapid.T) {
				w.now += time.Duration(rapid.IntRange(1, 1200).Draw(t, "ms")) * time.Millisecond
				w.expire(w.now)
			},
			"release": func(t *rapid.T) { w.release(members.Draw(t, "member")) },
			"move start": func(t *rapid.T) {
				w.p.MoveStart(w.p.start + int64(rapid.IntRange(0, 3).Draw(t, "by")))
				w.disown()
				w.check()
			},
			"begin": func(*rapid.T) { w.begin() },
			"end": func(t *rapid.T) {
				w.end(rapid.IntRange(0, 3).Draw(t, "carried") > 0, rapid.IntRange(0, 3).Draw(t, "well") > 0)
			},
			"crash": func(t *rapid.T) { w.crash(rapid.Bool().Draw(t, "carried")) },
		})
		// Whoever goes on comes to the end of the log.
		for range 2000 {
			w.now += 2 * l.LockDuration
			w.expire(w.now)
			got := w.acquire(Acquisition{Member: "d", MaxRecords: 10}, 3)
			for o, m := range w.owner {
				if _, asked := w.asked[o]; m == "d" && !asked {
					w.acknowledge("d", o, o, Accept)
				}
			}
			w.begin()
			w.end(true, true)
			if got == 0 && w.p.start > log[len(log)-1].Last {
				require.Equal(t, w.p.start, w.p.end)
				return
			}
		}
		require.Fail(t, "the end of the log is never reached", "%+v", w.p)
	})
}

func TestLoadRefusesWhatCannotBe(t *testing.T) {
	for _, s := range []State{
		{StartOffset: -2},
		{StartOffset: 5, Batches: []Batch{{First: 4, Last: 6}}},
		{StartOffset: 5, Batches: []Batch{{First: 7, Last: 6}}},
		{StartOffset: 5, Batches: []Batch{{First: 5, Last: 8}, {First: 8, Last: 9}}},
		{StartOffset: 5, Batches: []Batch{{First: 5, Last: 8, State: Acquired}}},
		{StartOffset: 5, Batches: []Batch{{First: 5, Last: 8, State: 3}}},
		{StartOffset: 5, Batches: []Batch{{First: 5, Last: 8, DeliveryCount: -1}}},
		{StartOffset: 5, Batches: []Batch{{First: 5, Last: 1<<63 - 1}}},
	} {
		_, err := Load(s, 0, 0)
		require.Error(t, err, "%+v", s)
	}
}

func TestAcknowledgementsThatCannotBe(t *testing.T) {
	w := newWorld(t, Limits{LockDuration: time.Second, DeliveryCount: 5, RecordLocks: 100}, []FetchedBatch{{First: 0, Last: 9}})
	acknowledge := func(list ...Acknowledgement) int16 { return w.p.Acknowledge(w.now, w.l, "a", list) }
	require.Equal(t, kerr.InvalidRecordState.Code, acknowledge(Acknowledgement{0, 1, []AcknowledgeType{Accept}}), "nothing is acquired")
	w.acquire(Acquisition{Member: "a", MaxRecords: 10}, 1)
	for name, list := range map[string][]Acknowledgement{
		"no type":         {{0, 1, nil}},
		"too few types":   {{0, 2, []AcknowledgeType{Accept, Accept}}},
		"an unknown type": {{0, 0, []AcknowledgeType{5}}},
		"a negative type": {{0, 0, []AcknowledgeType{-1}}},
		"upside down":     {{3, 2, []AcknowledgeType{Accept}}},
		"not ascending":   {{3, 4, []AcknowledgeType{Accept}}, {2, 2, []AcknowledgeType{Accept}}},
		"past the window": {{9, 10, []AcknowledgeType{Accept}}},
	} {
		require.Equal(t, kerr.InvalidRequest.Code, acknowledge(list...), name)
	}
	require.Equal(t, kerr.InvalidRecordState.Code, acknowledge(Acknowledgement{3, 4, []AcknowledgeType{Accept}}, Acknowledgement{4, 5, []AcknowledgeType{Accept}}), "one record twice")
	require.Equal(t, kerr.InvalidRecordState.Code, acknowledge(Acknowledgement{0, 1, []AcknowledgeType{Renew}}), "renewing is not enabled")
	require.Zero(t, acknowledge(Acknowledgement{0, 1, []AcknowledgeType{Accept}}))
	require.Equal(t, kerr.InvalidRecordState.Code, acknowledge(Acknowledgement{0, 1, []AcknowledgeType{Accept}}), "acknowledged before")
}
