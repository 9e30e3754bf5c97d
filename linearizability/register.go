package linearizability

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"time"
	"unicode/utf16"

	"github.com/anishathalye/porcupine"
)

// OffsetsTopic is where Kafka keeps committed offsets.
const OffsetsTopic = "__consumer_offsets"

// registerWindow is how many operations Porcupine gets at a time, if the
// history has a quiet moment to cut at: its memory grows with the square.
const registerWindow = 1000

// registerInput and registerOutput are Porcupine's view of an OffsetOp.
type registerInput struct {
	write bool
	value int64
}

// registerModel is a register of one committed offset, which holds initial at the
// start. Each step is taken from steps; when there are none left, no step is legal.
func registerModel(initial int64, steps *int64) porcupine.Model {
	return porcupine.Model{
		Init: func() any { return initial },
		Step: func(state, input, output any) (bool, any) {
			if *steps--; *steps < 0 {
				return false, state
			}
			in := input.(registerInput)
			if in.write {
				return true, in.value
			}
			return output.(int64) == state.(int64), state
		},
		Hash: func(state any) uint64 { return uint64(state.(int64)) },
		DescribeOperation: func(input, output any) string {
			if in := input.(registerInput); in.write {
				return fmt.Sprintf("commit %d", in.value)
			}
			return fmt.Sprintf("fetch → %d", output)
		},
	}
}

// registers is K8: the committed offset of each group and partition is a
// linearizable register.
func (c *court) registers(ctx context.Context) {
	type key struct {
		group string
		tp    TopicPartition
	}
	byKey := map[key][]*OffsetOp{}
	for i := range c.h.Offsets {
		o := &c.h.Offsets[i]
		byKey[key{o.Group, o.TP}] = append(byKey[key{o.Group, o.TP}], o)
	}
	keys := make([]key, 0, len(byKey))
	for k := range byKey {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, func(a, b key) int {
		return cmp.Or(cmp.Compare(a.group, b.group), cmp.Compare(a.tp.Topic, b.tp.Topic), cmp.Compare(a.tp.Partition, b.tp.Partition))
	})
	steps := c.o.Steps
	for _, k := range keys {
		ops := registerOps(byKey[k])
		c.cur.Inputs += int64(len(ops))
		for _, w := range windows(ops) {
			if !c.registerWindow(ctx, k.group, k.tp, w, &steps) {
				break
			}
		}
		if ctx.Err() != nil || steps < 0 {
			return
		}
	}
}

// registerWindow checks one window and reports whether to go on with the next.
func (c *court) registerWindow(ctx context.Context, group string, tp TopicPartition, w window, steps *int64) bool {
	var losses []registerLoss
	for known, used := false, 0; ; used++ {
		if ctx.Err() != nil {
			c.giveUp(fmt.Sprintf("interrupted at group %s, %s", group, tp))
			return false
		}
		switch checkRegisterOps(w, steps) {
		case porcupine.Ok:
			return true
		case porcupine.Unknown:
			c.giveUp(fmt.Sprintf("Porcupine had taken its %d steps at group %s, %s, with %d operations", c.o.Steps, group, tp, len(w.ops)))
			return false
		}
		culprit, end := w.culprit(*steps / 4)
		if !known {
			losses, known = c.registerLosses(group, tp, w.ops[0].Call), true
		}
		if culprit == nil || culprit.Write || used >= len(losses) || !w.lost(culprit, losses[used].ruling) {
			c.illegalRegister(group, tp, w, culprit, end)
			return false
		}
		c.excused(&partition{tp: tp}, max(0, culprit.Offset), losses[used].of+": "+losses[used].reason)
		w.ops = append(slices.Clone(w.ops), &OffsetOp{Group: group, TP: tp, Process: None, Call: losses[used].from, Return: Never,
			Offset: culprit.Offset, Write: true, Outcome: Info})
	}
}

// registerLoss is a permitted loss that may have taken a committed offset back.
type registerLoss struct {
	*ruling
	of string // what was lost
}

// registerLosses are those of a group's partition of the offsets topic since a time,
// and, where the group commits in transactions, those of the partitions that hold what
// became of these: of one that was committed the marker may then say the opposite.
func (c *court) registerLosses(group string, tp TopicPartition, since time.Duration) []registerLoss {
	var all []registerLoss
	if p := coordinatorOf(c.parts, c.h.topic(OffsetsTopic), group); p != nil {
		for _, loss := range p.losses(since) {
			all = append(all, registerLoss{loss, "committed offsets live in " + p.tp.String()})
		}
	}
	began := map[*partition]time.Duration{} // the first transaction that a partition holds
	if i := slices.IndexFunc(c.parts, func(p *partition) bool { return p.tp == tp }); i >= 0 {
		for _, t := range c.committers(group, c.parts[i]) {
			if p := c.coordinator(t.ID); p != nil {
				if at, in := began[p]; !in || t.Call < at {
					began[p] = t.Call
				}
			}
		}
	}
	for _, p := range c.parts {
		at, in := began[p]
		if !in {
			continue
		}
		for _, loss := range c.lossesOf(p) {
			if loss.at >= max(at, since) {
				all = append(all, registerLoss{loss, "what became of the transactions that they were committed in is in " + p.tp.String()})
			}
		}
	}
	slices.SortStableFunc(all, func(a, b registerLoss) int { return cmp.Compare(a.from, b.from) })
	return all
}

// losses are the elections since a time at which a partition lost committed
// records and was permitted to: where high watermarks are known, those whose
// leader's log parted from the one before below one.
func (p *partition) losses(since time.Duration) []*ruling {
	var all []*ruling
	for i := range p.elect {
		e := &p.elect[i]
		took := func(m HighWatermark) bool { return m.LeaderEpoch < e.epoch && e.cuts(m.Offset-1) }
		if e.at > since && e.start != never && (len(p.marks) == 0 || slices.ContainsFunc(p.marks, took)) {
			if r := p.excuseAt(e, math.MaxInt64, since); r.excused {
				r.at, r.epoch = e.at, e.epoch
				all = append(all, r)
			}
		}
	}
	return all
}

// lost says whether a loss explains what a look-up found: the register may have
// gone back to what it held at some time before, and to nothing else.
func (w window) lost(culprit *OffsetOp, by *ruling) bool {
	return culprit.Return >= by.from && (culprit.Offset == None || culprit.Offset == w.initial ||
		slices.ContainsFunc(w.ops, func(o *OffsetOp) bool { return o.Write && o.Offset == culprit.Offset && o.Call < culprit.Call }))
}

// registerOps drops what constrains nothing: look-ups without an answer,
// commits that were refused, and commits of unknown fate whose offset nobody
// ever saw. Of those of one offset, which may take effect at any time after their
// call or never, no more are needed than there are look-ups that saw it, and those
// that were called first can stand for all.
func registerOps(all []*OffsetOp) []*OffsetOp {
	all = slices.Clone(all)
	slices.SortStableFunc(all, func(a, b *OffsetOp) int { return cmp.Compare(a.Call, b.Call) })
	seen := map[int64]int{}
	for _, o := range all {
		if !o.Write && o.Outcome == OK {
			seen[o.Offset]++
		}
	}
	var ops []*OffsetOp
	for _, o := range all {
		switch {
		case o.Outcome == OK:
		case o.Write && o.Outcome == Info && seen[o.Offset] > 0:
			if o.Return == Never {
				seen[o.Offset]--
			}
		default:
			continue
		}
		ops = append(ops, o)
	}
	return ops
}

// window is a stretch of operations that begins with a known value.
type window struct {
	initial int64
	ops     []*OffsetOp
}

// windows cuts a history where a look-up overlaps nothing and everything
// before it is over: what it found is the register's value at that point.
func windows(ops []*OffsetOp) []window { return windowsOf(ops, registerWindow) }

// windowsOf is windows with at least size operations each.
func windowsOf(ops []*OffsetOp, size int) []window {
	w := window{initial: None}
	var all []window
	latest := minTime
	for i, o := range ops {
		alone := o.Call > latest && !o.Write && (i+1 == len(ops) || ops[i+1].Call > o.Return)
		w.ops = append(w.ops, o)
		latest = max(latest, o.Return)
		if alone && len(w.ops) >= size {
			all = append(all, w)
			w = window{initial: o.Offset}
		}
	}
	return append(all, w)
}

func checkRegisterOps(w window, steps *int64) porcupine.CheckResult {
	in := make([]porcupine.Operation, len(w.ops))
	for i, o := range w.ops {
		in[i] = porcupine.Operation{ClientId: int(o.Process), Input: registerInput{o.Write, o.Offset},
			Call: int64(o.Call), Output: o.Offset, Return: int64(o.Return)}
		if o.Return == Never {
			in[i].Return = math.MaxInt64
		}
	}
	result := porcupine.CheckOperationsTimeout(registerModel(w.initial, steps), in, 0)
	if *steps < 0 {
		return porcupine.Unknown
	}
	return result
}

// culprit is the operation whose answer makes a window illegal, and when it
// came. Linearizability is closed under prefixes: the search is for the
// shortest one that is not legal. It takes no more than so many steps.
func (w window) culprit(steps int64) (culprit *OffsetOp, end time.Duration) {
	var ends []time.Duration
	for _, o := range w.ops {
		if o.Return != Never {
			ends = append(ends, o.Return)
		}
	}
	slices.Sort(ends)
	n, _ := slices.BinarySearchFunc(ends, true, func(end time.Duration, _ bool) int {
		left := steps / 16
		if checkRegisterOps(w.until(end), &left) == porcupine.Illegal {
			return 1
		}
		return -1
	})
	end = ends[min(n, len(ends)-1)]
	for _, o := range w.ops {
		if o.Return == end {
			culprit = o
		}
	}
	return culprit, end
}

// illegalRegister tells of a window that is not linearizable, up to the answer
// that makes it so.
func (c *court) illegalRegister(group string, tp TopicPartition, w window, culprit *OffsetOp, end time.Duration) {
	sentence := fmt.Sprintf("the committed offset of group %s for %s is not linearizable", group, tp)
	if culprit != nil && !culprit.Write {
		sentence = fmt.Sprintf("client %d was told at %s that group %s had committed offset %s for %s, which no order of the commits explains",
			culprit.Process, clock(culprit.Return), group, offsetName(culprit.Offset), tp)
	}
	var evidence []string
	before := w.until(end).ops
	for _, o := range before[max(0, len(before)-c.o.MaxEvidence):] {
		what := "fetched"
		if o.Write {
			what = "committed"
		}
		ended := "to " + clock(o.Return)
		if o.Return == Never {
			ended = "not answered by then"
		}
		evidence = append(evidence, fmt.Sprintf("client %d %s %s, %s %s", o.Process, what, offsetName(o.Offset), clock(o.Call), ended))
	}
	c.found(&partition{tp: tp}, int64(hashGroup(group)), None, end, sentence, evidence...)
}

// until is the window as it was known at a time: answers that came later are
// not known yet.
func (w window) until(t time.Duration) window {
	cut := window{initial: w.initial}
	for _, o := range w.ops {
		switch {
		case o.Call > t || (!o.Write && o.Return > t):
		case o.Return > t:
			open := *o
			open.Return = Never
			cut.ops = append(cut.ops, &open)
		default:
			cut.ops = append(cut.ops, o)
		}
	}
	return cut
}

func offsetName(o int64) string {
	if o == None {
		return "nothing"
	}
	return fmt.Sprint(o)
}

// coordinatorOf finds the partition of an internal topic that holds what is kept
// under a name: of a group, or of a transactional id.
func coordinatorOf(parts []*partition, topic Topic, group string) *partition {
	if topic.Partitions <= 0 {
		return nil
	}
	n := (hashGroup(group) & math.MaxInt32) % topic.Partitions
	for _, p := range parts {
		if p.tp.Topic == topic.Name && p.tp.Partition == n {
			return p
		}
	}
	return nil
}

// hashGroup is Java's String.hashCode, by which Kafka assigns groups.
func hashGroup(group string) int32 {
	var h int32
	for _, u := range utf16.Encode([]rune(group)) {
		h = 31*h + int32(u)
	}
	return h
}
