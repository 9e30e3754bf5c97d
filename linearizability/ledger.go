package linearizability

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
)

// ledger is what is known of the records that a partition lost: each is decided
// about once, and every check reads the same decision.
type ledger struct {
	rulings map[Record]*ruling
	read    map[Record]int32 // what consumers were given, with the epoch it is of at most; made when first asked
	ends    map[int32]int64  // the last offset of each leader epoch in the final log
}

// ruling is the decision on one record that is gone.
type ruling struct {
	excused bool
	reason  string // that excuses it
	// from is when the fault struck that it goes back to, if there was one.
	from    time.Duration
	at      time.Duration // of the election that lost it, where it is about one
	epoch   int32         // that began with it
	against []string      // what speaks against that, one fact a line
}

// ruling decides whether a record that was promised and is not where it must be
// may be gone. The promise is that of what the record was sent with, or, if it
// was read or lay below a high watermark, that of a committed one.
func (p *partition) ruling(offset, value int64) *ruling {
	k := Record{offset, value}
	if r := p.ledger.rulings[k]; r != nil {
		return r
	}
	if p.ledger.rulings == nil {
		p.ledger.rulings = map[Record]*ruling{}
	}
	r := p.decide(k)
	p.ledger.rulings[k] = r
	return r
}

func (p *partition) decide(k Record) *ruling {
	since, epoch := time.Duration(-1), int32(None)
	var sent *SendOp
	if row, place := p.sent.find(k.Value); row != nil {
		sent = row.batch.record(row.Run, place)
		since = sent.Call
		if sent.Outcome != OK || sent.Offset != k.Offset {
			sent = nil // it is another copy that was acknowledged
		}
	}
	read, was := p.wasRead(k)
	if was {
		epoch = read
	}
	if sent != nil {
		if r := p.takenForRetry(sent); r != nil && !was {
			return r
		}
		if hole := p.survivorBehind(sent, k.Offset); hole != "" {
			return &ruling{against: []string{hole}}
		}
		epoch = p.lastEpochOf(sent)
	}
	if sent != nil && sent.Acks == 1 && !was {
		if r := p.excuseLeaderOnly(sent); r != nil {
			return r
		}
	}
	if k.Offset == None { // acknowledged as a duplicate of nobody knows where
		k.Offset = math.MaxInt64
	}
	return p.excuseCommitted(k.Offset, since, epoch)
}

// wasRead says whether a consumer was given the record, and in which leader
// epoch it was appended at the latest, None if nobody knows.
func (p *partition) wasRead(k Record) (epoch int32, was bool) {
	if p.ledger.read == nil {
		p.ledger.read = map[Record]int32{}
		for i := range p.polls {
			for _, r := range p.polls[i].runs {
				p.log.missing(p.topic, r, func(k int64) {
					rec := Record{r.Offset + k, r.at(k)}
					if e, ok := p.ledger.read[rec]; !ok || e != None && p.polls[i].LeaderEpoch < e {
						p.ledger.read[rec] = p.polls[i].LeaderEpoch
					}
				})
			}
		}
	}
	epoch, was = p.ledger.read[k]
	return epoch, was
}

// survivorBehind finds a record of the same leader epoch behind one that is
// gone. A loss is a suffix of an epoch: a log is cut, nothing is taken out of it.
func (p *partition) survivorBehind(s *SendOp, offset int64) string {
	if offset == None {
		return ""
	}
	if p.ledger.ends == nil {
		p.ledger.ends = map[int32]int64{}
		for i := range p.log.runs {
			r := &p.log.runs[i]
			p.ledger.ends[r.LeaderEpoch] = max(p.ledger.ends[r.LeaderEpoch], r.end()-1)
		}
	}
	hole := ""
	for _, epoch := range p.epochsOf(s) { // in whichever it was appended
		last := p.ledger.ends[epoch]
		if last <= offset {
			return ""
		}
		hole = fmt.Sprintf("offset %d of the same leader epoch %d, behind it, is still there: what a log loses is a suffix", last, epoch)
	}
	return hole
}

// epochsOf are the leader epochs in which an acknowledged record may have been
// appended: those that the broker which answered led until then, from the one the
// client believed in. A client that retries may have believed in an old one.
func (p *partition) epochsOf(s *SendOp) []int32 {
	all := []int32{p.epochOf(s)}
	for _, st := range p.states {
		if st.LeaderEpoch > all[len(all)-1] && st.Time <= s.Return+lateness && (s.Broker == None || st.Leader == s.Broker) {
			all = append(all, st.LeaderEpoch)
		}
	}
	return all
}

// excuseLeaderOnly decides about a record acknowledged with acks=1: its promise
// ends with its leader epoch, by whatever means that ends, if a later one began
// at or below its offset. It returns nil if more was promised: the record lay
// below the high watermark, hence on all replicas in sync, when the epoch ended.
// Where it may have been appended in several epochs, the loss is excused if it is
// in one of them.
func (p *partition) excuseLeaderOnly(s *SendOp) *ruling {
	epochs := p.epochsOf(s)
	first := p.excuseLeaderOnlyIn(s, epochs[0])
	for _, e := range epochs[1:] {
		if r := p.excuseLeaderOnlyIn(s, e); r != nil && r.excused {
			return r
		}
	}
	return first
}

func (p *partition) excuseLeaderOnlyIn(s *SendOp, e int32) *ruling {
	began, at := int32(None), time.Duration(Never)
	reason := ""
	for _, st := range p.starts {
		if st.LeaderEpoch > e && st.StartOffset <= s.Offset {
			began, reason = st.LeaderEpoch, fmt.Sprintf("epoch %d began at offset %d", st.LeaderEpoch, st.StartOffset)
			break
		}
	}
	for i := range p.elect {
		if el := &p.elect[i]; began == None && el.epoch > e && el.start != None && el.start <= s.Offset {
			began, reason = el.epoch, fmt.Sprintf("the leader of epoch %d had another log from offset %d on", el.epoch, el.start)
		}
	}
	if began == None {
		r := p.log.at(s.Offset)
		if r == nil || r.LeaderEpoch <= e {
			return &ruling{against: []string{"acks=1 promises that the record stays while its leader epoch lasts, and no later epoch began at or below its offset"}}
		}
		began, reason = r.LeaderEpoch, fmt.Sprintf("epoch %d wrote the offset anew", r.LeaderEpoch)
	}
	for i := range p.elect {
		if p.elect[i].epoch == began {
			at = p.elect[i].at
		}
	}
	for _, m := range p.marks {
		if m.Time < at && m.LeaderEpoch == e && m.Offset > s.Offset {
			return nil
		}
	}
	return &ruling{excused: true, reason: fmt.Sprintf("acks=1 promises nothing beyond leader epoch %d, and %s", e, reason)}
}

// excuseCommitted decides about a committed record (SEMANTICS 2.3, acks=all),
// which was appended and committed at some time from call on. Its loss is
// permitted iff at some election that cut it away
//
//   - the leader was none of those who could be elected cleanly (ISR and ELR),
//     and the topic allows such an election; or
//   - a fault had taken the record from the leader's own disk, nobody who could
//     be elected cleanly was free of such a fault, and as many replicas that
//     were relied on as the effective min.insync.replicas had been struck (one,
//     in a topic without eligible leader replicas, if the election was clean).
//
// All faults count from when the record was sent, and until the replica was
// brought back in sync. An election counts from then too, or if it was of a later
// epoch than the last in which the record may have been appended (None if that is
// not known): a leader may not have heard yet that its epoch is over. When a loss
// is not permitted, the ruling says what speaks against it, one election a line.
func (p *partition) excuseCommitted(offset int64, call time.Duration, epoch int32) *ruling {
	var against []string
	for i := range p.elect {
		e := &p.elect[i]
		if e.at <= call && (epoch == None || e.epoch <= epoch) || !e.cuts(offset) {
			continue
		}
		r := p.excuseAt(e, offset, call)
		if r.excused {
			return r
		}
		against = append(against, r.against...)
	}
	if len(against) == 0 {
		against = []string{"no leader was elected since the record was sent whose log could have lacked it"}
	}
	return &ruling{against: against}
}

func (p *partition) excuseAt(e *election, offset int64, call time.Duration) *ruling {
	var sound, struck []int32
	for _, r := range e.electable() {
		if p.afflicted(r, call, e, func(f *Fault) bool { return f.distrusts(r) }) {
			struck = append(struck, r)
		} else {
			sound = append(sound, r)
		}
	}
	from := e.at
	p.eachFault([]int32{e.leader}, call, e.at, func(f *Fault) { from = min(from, f.Start) })
	who := fmt.Sprintf("broker %d became leader in epoch %d at %s", e.leader, e.epoch, clock(e.at))
	how := "cleanly"
	if !e.clean() {
		if e.unseen {
			return &ruling{excused: true, from: from, reason: who + " after one of which nobody told, and which may have been unclean: the topic allows that"}
		}
		if p.topic.UncleanElection {
			return &ruling{excused: true, from: from, reason: who + " by unclean election, which the topic allows"}
		}
		how = "by unclean election, which the topic forbids"
	}
	against := func(format string, args ...any) *ruling {
		return &ruling{against: []string{fmt.Sprintf("%s %s; ", who, how) + fmt.Sprintf(format, args...)}}
	}
	if len(sound) > 0 {
		return against("electable %s had lost nothing since the record was sent (ISR %v, ELR %v)", brokers(sound), e.isr, e.elr)
	}
	if !p.tainted(e.leader, offset, call, e) {
		return against("no fault had taken the record from its disk%s", p.lostInstead(e.leader, call, e.at))
	}
	relied, needed := p.relied(call, e), p.topic.EffectiveMinISR()
	if e.clean() && !p.topic.ELR {
		needed = 1
	}
	if int32(len(relied)) < needed {
		return against("only %d of the replicas relied on had been struck, fewer than min.insync.replicas=%d", len(relied), needed)
	}
	rule := ""
	if !p.exactly(e.leader, call, e.at) {
		rule = " (by rule: this target does not tell what was lost)"
	}
	if e.clean() {
		return &ruling{excused: true, from: from, reason: fmt.Sprintf("%s; every electable replica (%s) had been struck by %s%s", who, brokers(struck), p.faultsOn(struck, call, e.at), rule)}
	}
	return &ruling{excused: true, from: from, reason: fmt.Sprintf("%s by unclean election after %s had been struck by %s (min.insync.replicas is %d)%s",
		who, brokers(relied), p.faultsOn(relied, call, e.at), p.topic.EffectiveMinISR(), rule)}
}

// lostInstead says what faults did take from a replica, for a record that is
// not among it.
func (p *partition) lostInstead(replica int32, since, until time.Duration) string {
	text := ""
	for i := range p.faults {
		f := &p.faults[i]
		for j := range f.Recovered {
			r := &f.Recovered[j]
			if r.Topic == p.tp.Topic && r.Partition == p.tp.Partition && r.Broker == replica && f.Start >= since && f.Start <= until {
				text += fmt.Sprintf("; %s at %s took only what lay from offset %d on (%d B)", f.Kind, clock(f.Start), r.LogEnd, r.LostBytes)
			}
		}
	}
	return text
}

// tainted says whether replica r, at election e, may lack the record at offset
// although it once had it: a fault took it after since, and nobody has brought
// the replica back in sync since then.
func (p *partition) tainted(r int32, offset int64, since time.Duration, e *election) bool {
	return p.afflicted(r, since, e, func(f *Fault) bool { return p.lost(f, r, offset) })
}

// afflicted says whether a fault did something to replica r after since, and r
// has not left the ISR and come back before e, which takes catching up with the
// leader: being elected out of nothing does not.
func (p *partition) afflicted(r int32, since time.Duration, e *election, by func(*Fault) bool) bool {
	last := time.Duration(-1)
	for i := range p.faults {
		if f := &p.faults[i]; f.Start >= since && f.Start <= e.at && by(f) {
			last = max(last, f.Start)
		}
	}
	if last < 0 {
		return false
	}
	out := !slices.Contains(p.stateAt(last).ISR, r)
	for _, s := range p.states[:e.state] {
		if s.Time <= last {
			continue
		}
		in := slices.Contains(s.ISR, r)
		if out && in && s.Leader != r && !p.downFrom(s.Leader, last, s.Time) {
			return false
		}
		out = !in
	}
	return true
}

// downFrom says whether replica r did not run between two times: a change that its
// leadership made was committed before, though it was told of later.
func (p *partition) downFrom(r int32, from, to time.Duration) bool {
	return slices.ContainsFunc(p.faults, func(f Fault) bool {
		return (f.Kind == PowerLoss || f.Kind == Crash) && slices.Contains(f.Brokers, r) && f.Start <= from && f.End >= to
	})
}

// relied are the replicas struck at e that were in the ISR or the ELR when the
// fault struck them: those whose copies the promise rested on.
func (p *partition) relied(since time.Duration, e *election) []int32 {
	var all []int32
	for i := range p.faults {
		f := &p.faults[i]
		for _, r := range f.Brokers {
			if f.Start < since || f.Start > e.at || slices.Contains(all, r) || !p.afflicted(r, since, e, func(f *Fault) bool { return f.distrusts(r) }) {
				continue
			}
			if s := p.stateAt(f.Start); slices.Contains(s.ISR, r) || slices.Contains(s.ELR, r) {
				all = append(all, r)
			}
		}
	}
	slices.Sort(all)
	return all
}

// distrusts says whether f was of a kind that takes what is stored, and hit r: the
// replica cannot be trusted from then on, however little it lost in fact.
func (f *Fault) distrusts(r int32) bool {
	return slices.Contains(f.Brokers, r) && (f.Lossy || f.Exact && f.distrusted(r))
}

// struck says whether f may have taken from replica r what was promised. With
// flush.messages=1 everything that counts has been synced, so that a power loss
// takes nothing, unless the disk broke its promise; the controller does not trust
// the replica all the same.
func (p *partition) struck(f *Fault, r int32) bool {
	return f.distrusts(r) && (f.Kind != PowerLoss || p.topic.FlushMessages != 1 || f.Broken)
}

// lost says whether f took the record at offset from broker r, or, where the
// machine does not tell, may have. An offset of MaxInt64 stands for any.
func (p *partition) lost(f *Fault, r int32, offset int64) bool {
	if !f.Lossy || !p.struck(f, r) {
		return false
	}
	for i := range f.Recovered {
		rec := &f.Recovered[i]
		if rec.Broker == r && rec.Topic == p.tp.Topic && rec.Partition == p.tp.Partition {
			return offset == math.MaxInt64 || rec.covers(offset)
		}
	}
	return !f.Exact
}

// exactly says whether it is known what the faults on a replica took.
func (p *partition) exactly(replica int32, since, until time.Duration) bool {
	exact := true
	p.eachFault([]int32{replica}, since, until, func(f *Fault) { exact = exact && f.Exact })
	return exact
}

func (p *partition) eachFault(replicas []int32, since, until time.Duration, yield func(*Fault)) {
	for i := range p.faults {
		f := &p.faults[i]
		if f.Start >= since && f.Start <= until && slices.ContainsFunc(replicas, f.distrusts) {
			yield(f)
		}
	}
}

func (p *partition) faultsOn(replicas []int32, since, until time.Duration) string {
	var all []string
	p.eachFault(replicas, since, until, func(f *Fault) {
		if text := fmt.Sprintf("%s at %s", f.Kind, clock(f.Start)); !slices.Contains(all, text) {
			all = append(all, text)
		}
	})
	return strings.Join(all, ", ")
}
