package linearizability

import (
	"cmp"
	"context"
	"fmt"
	"time"
)

// Options bound what Judge may spend.
type Options struct {
	// Steps is how many steps Porcupine may take in total; what is not proved by
	// then is Unknown. Steps and not seconds: a verdict does not depend on how
	// busy the machine is. 0 means 5 million; runs of quickstart take some thousand.
	Steps int64
	// MaxEvidence caps the lines of evidence of one finding. 0 means 12.
	MaxEvidence int
}

// check is one check of the verdict, over one partition after the other or over
// the whole history.
type check struct {
	code, name, unit string
	// needs is the evidence without which the check says nothing, uses that
	// which must be whole if the run has any.
	needs, uses evidence
	each        func(*court, *partition)
	whole       func(*court, context.Context)
	// internal says that the check looks at internal topics too.
	internal bool
}

var (
	checkSurvival = check{code: "K2", name: "acknowledged records survive", unit: "acknowledged records",
		needs: ofSends | ofLog, uses: ofTransactions | ofLedger | ofPolls | ofMarks, each: (*court).survival}
	checkAgreement = check{code: "K1", name: "one offset, one record", unit: "observations",
		needs: ofSends | ofLog, uses: ofTransactions | ofLedger | ofPolls | ofMarks, each: (*court).agreement}
	checkRead = check{code: "K5", name: "what was read was committed and stays", unit: "records read",
		needs: ofPolls | ofLog, uses: ofLedger | ofSends | ofMarks, each: (*court).readsStay}
	checkDuplicates = check{code: "K3", name: "no duplicates under idempotence", unit: "records in the log",
		needs: ofSends | ofLog, uses: ofLedger, each: (*court).duplicates}
	checkRefusals = check{code: "K3", name: "a retry of what was appended is not refused", unit: "records retried",
		needs: ofSends | ofLog, uses: ofLedger, each: (*court).refusals}
	checkResolved = check{code: "K10", name: "after healing, every send is answered", unit: "records sent or waiting then",
		needs: ofSends | ofHealing, uses: ofFaults, each: (*court).resolved}
	checkSequence = check{code: "K4", name: "producer sequences are contiguous in the log", unit: "idempotent records",
		needs: ofSends | ofLog, each: (*court).sequences}
	checkFIFO = check{code: "K4", name: "each producer's records keep their order", unit: "records in the log",
		needs: ofSends | ofLog, each: (*court).fifo}
	checkHonesty = check{code: "K5", name: "a definite error appended nothing", unit: "records refused",
		needs: ofSends | ofLog, uses: ofPolls, each: (*court).honesty}
	checkSessions = check{code: "K7", name: "consumers neither skip nor rewind", unit: "records read",
		needs: ofPolls | ofLog, uses: ofTransactions | ofLedger | ofMarks, each: (*court).sessions}
	checkWatermark = check{code: "K5", name: "nothing was readable above the high watermark", unit: "records read",
		needs: ofPolls | ofMarks, each: (*court).aboveWatermark}
	checkLog = check{code: "LIN", name: "the log is linearizable (exact check by offsets)", unit: "operations",
		needs: ofSends | ofLog, uses: ofPolls | ofEnds | ofLedger | ofMarks, each: (*court).exactLog}
	checkEnds = check{code: "LIN", name: "ListOffsets tells where the log ends", unit: "look-ups",
		needs: ofEnds | ofLog, uses: ofSends | ofStates | ofEpochs | ofMarks, each: (*court).logEnds}
	checkLeaders = check{code: "K12", name: "a leader epoch has one leader, which tells the truth", unit: "acts of leaders",
		needs: ofStates, uses: ofEpochs | ofMarks | ofSends | ofLog, each: (*court).leaders, internal: true}
	checkReplicas = check{code: "K11", name: "replicas agree in the end", unit: "records compared",
		needs: ofReplicas, uses: ofTopics, each: (*court).replicas, internal: true}
	checkUnseen = check{code: "K10", name: "acknowledged records reach consumers", unit: "acknowledged records",
		needs: ofSends | ofPolls | ofLog | ofDrain, uses: ofTransactions | ofLedger | ofMarks, each: (*court).unseen}
	checkRegister = check{code: "K8", name: "committed offsets are a linearizable register (Porcupine)", unit: "operations",
		needs: ofOffsets, uses: ofLedger, whole: (*court).registers}
	checkOwnership = check{code: "K9", name: "a partition has one owner in each generation of a group", unit: "partitions assigned",
		needs: ofAssignments, uses: ofLedger | ofMarks, whole: (*court).ownership}
	checkFencing = check{code: "K9", name: "old members of a group commit nothing", unit: "offsets committed by members",
		needs: ofAssignments, uses: ofOffsets | ofLedger | ofMarks, whole: (*court).fencing}
	checkAdministration = check{code: "K15", name: "what administrators were told was done is done", unit: "answers",
		needs: ofAdministration, whole: (*court).administration}
	checkDress = check{code: "K1", name: "keys, headers and timestamps are those sent", unit: "records",
		needs: ofDress, each: (*court).dress}
	checkIsolation = check{code: "K5", name: "read_committed shows only what is committed", unit: "records read with read_committed",
		needs: ofTransactions | ofPolls | ofLog, uses: ofSends | ofLedger | ofMarks, each: (*court).isolation}
	checkStable = check{code: "K5", name: "read_committed shows nothing behind the last stable offset", unit: "records read with read_committed",
		needs: ofTransactions | ofPolls | ofSends | ofLog, uses: ofFaults, each: (*court).stable}
	checkAtomicity = check{code: "K6", name: "a transaction takes effect everywhere or nowhere, as its producer was told", unit: "transactions",
		needs: ofTransactions | ofSends | ofLog, uses: ofLedger | ofMarks, whole: (*court).atomicity}
	checkZombies = check{code: "K6", name: "a fenced producer has no effect", unit: "producers that began",
		needs: ofTransactions | ofSends | ofLog, uses: ofLedger | ofMarks, whole: (*court).zombies}
	checkMarkers = check{code: "K12", name: "markers come from one transaction coordinator after the other", unit: "markers",
		needs: ofTransactions | ofLog, each: (*court).markers, internal: true}
	checkHanging = check{code: "K10", name: "after healing, every transaction ends", unit: "records of transactions",
		needs: ofTransactions | ofSends | ofLog | ofHealing, uses: ofLedger | ofMarks, each: (*court).hanging}
	checkConservation = check{code: "K16", name: "what transactions move is neither lost nor made", unit: "records read with read_committed",
		needs: ofConserved | ofTransactions | ofPolls | ofLog | ofDrain, uses: ofLedger | ofMarks, whole: (*court).conservation}
	checkExactlyOnce = check{code: "K17", name: "pipelines make one record of each", unit: "records of a pipeline's input",
		needs: ofPipelines | ofTransactions | ofOffsets | ofSends | ofLog, uses: ofLedger | ofMarks, whole: (*court).exactlyOnce}
	checkCompaction = check{code: "K14", name: "a compacted log folds to what was written", unit: "records",
		needs: ofSends | ofLog | ofKeys, uses: ofLedger | ofPolls | ofMarks | ofReplicas, each: (*court).compaction}
	checkFinished = check{code: "K18", name: "a share group gives nobody what it was told is done", unit: "records given to members of share groups",
		needs: ofShares, uses: ofLedger | ofMarks, each: (*court).finished}
	checkSharedStay = check{code: "K5", name: "what a share group gave is in the log", unit: "records given to members of share groups",
		needs: ofShares | ofLog, uses: ofLedger | ofMarks, each: (*court).sharedStay}
	checkUnshared = check{code: "K10", name: "acknowledged records reach share groups", unit: "acknowledged records",
		needs: ofShares | ofSends | ofLog | ofDrain, uses: ofTransactions | ofLedger | ofMarks, each: (*court).unshared}
	checkWhole = check{code: "–", name: "the history is whole", unit: "lines"}
)

// checks are what the judge performs, in the order of the verdict.
func checks() []check {
	return []check{checkSurvival, checkAgreement, checkRead, checkDuplicates, checkRefusals, checkSequence, checkFIFO, checkHonesty,
		checkSessions, checkWatermark, checkLog, checkEnds, checkLeaders, checkReplicas, checkUnseen, checkResolved, checkRegister, checkOwnership, checkFencing, checkAdministration, checkDress,
		checkIsolation, checkStable, checkAtomicity, checkZombies, checkMarkers, checkHanging, checkConservation, checkExactlyOnce, checkCompaction,
		checkFinished, checkSharedStay, checkUnshared}
}

// Judge checks a history against what Kafka promises. A check whose evidence is
// not whole is Unknown and says what is missing; one that needs what the run
// has none of is Skipped. Judge stops early, with Unknown for what is left,
// when ctx ends.
func Judge(ctx context.Context, h *History, o Options) Verdict {
	o.Steps = cmp.Or(o.Steps, 5_000_000)
	o.MaxEvidence = cmp.Or(o.MaxEvidence, 12)
	c := &court{o: o, h: h, groups: map[groupKey]int{}}
	unfit := h.unfit()
	if unfit == "" {
		c.held = h.Counts()
		unfit = c.contradiction()
	}
	if unfit == "" {
		c.parts = c.partitions()
	}
	for _, k := range checks() {
		c.begin(k)
		if unfit != "" {
			c.giveUp(unfit)
			continue
		}
		absent, missing := c.weigh(k.needs, k.uses)
		switch {
		case absent != "":
			c.cur.Status, c.cur.Note = Skipped, absent
		case missing != "":
			c.giveUp(missing)
		case k.whole != nil:
			k.whole(c, ctx)
		default:
			for _, p := range c.parts {
				if ctx.Err() != nil {
					c.giveUp("interrupted")
					break
				}
				if k.internal || !p.topic.Internal {
					k.each(c, p)
				}
			}
		}
	}
	c.whole(unfit)
	v := c.verdict()
	for _, live := range h.Live {
		v.Merge(live)
	}
	return v
}

// whole says what is wrong with the history itself.
func (c *court) whole(unfit string) {
	c.begin(checkWhole)
	if unfit != "" {
		c.giveUp(unfit)
		return
	}
	for _, name := range sortedNames(c.held, c.h.Closing.Counts) {
		have, want := c.held[name], c.h.Closing.Counts[name]
		c.cur.Inputs += have
		if have != want && c.cur.Note == "" {
			c.giveUp(fmt.Sprintf("the history holds %d of %d lines %q", have, want, name))
		}
	}
	if c.h.Altered != "" && c.cur.Note == "" {
		c.giveUp(c.h.Altered)
	}
	if c.h.Manifest.gives(FactLive) && len(c.h.Live) == 0 {
		c.giveUp("the verdict on what was watched while the run went on is missing")
	}
}

func (c *court) verdict() Verdict {
	v := c.v
	v.Status = Pass
	if c.h.Recording.mode() != RecordRecords {
		v.Recording = c.h.Recording.String()
	}
	for _, k := range v.Checks {
		v.Status = worse(v.Status, k.Status)
	}
	return v
}

// court holds a verdict in the making.
type court struct {
	o      Options
	h      *History
	v      Verdict
	cur    *Check
	index  int // of cur
	groups map[groupKey]int
	parts  []*partition
	held   Counts  // of the history
	claims []claim // memory, from one partition to the next
	// Made when first asked for.
	wrote  [][]wrote // by transaction
	losses map[*partition][]*ruling
}

// groupKey is what makes two violations the same finding.
type groupKey struct {
	check int
	tp    TopicPartition
	group int64
}

func (c *court) begin(k check) {
	c.v.Checks = append(c.v.Checks, Check{Code: k.code, Name: k.name, Unit: k.unit, Status: Pass})
	c.turn(len(c.v.Checks) - 1)
}

// turn makes a check that has begun the current one.
func (c *court) turn(index int) { c.cur, c.index = &c.v.Checks[index], index }

func (c *court) giveUp(note string) {
	c.cur.Status, c.cur.Note = worse(c.cur.Status, Unknown), note
}

// found adds a violation. Violations of one group in one partition make one
// finding: the first is told in full, the others are counted.
func (c *court) found(p *partition, group, offset int64, at time.Duration, sentence string, evidence ...string) {
	c.cur.Status = Failed
	c.cur.Findings++
	k := groupKey{c.index, p.tp, group}
	if i, ok := c.groups[k]; ok {
		f := &c.v.Findings[i]
		f.Count++
		if len(f.Evidence) < c.o.MaxEvidence && offset != None && offset != f.Offset {
			f.Evidence = append(f.Evidence, fmt.Sprintf("also: offset %d%s", offset, when(at)))
		}
		return
	}
	c.groups[k] = len(c.v.Findings)
	c.v.Findings = append(c.v.Findings, Finding{Code: c.cur.Code, Sentence: sentence, Topic: p.tp.Topic,
		Partition: p.tp.Partition, Offset: offset, Time: at, Evidence: evidence, Count: 1})
}

// excused adds a permitted loss.
func (c *court) excused(p *partition, offset int64, reason string) {
	c.cur.Excused++
	for i := range c.v.Excused {
		e := &c.v.Excused[i]
		if e.Code == c.cur.Code && e.Topic == p.tp.Topic && e.Partition == p.tp.Partition && e.Reason == reason {
			e.First, e.Last, e.Count = min(e.First, offset), max(e.Last, offset), e.Count+1
			return
		}
	}
	c.v.Excused = append(c.v.Excused, Excuse{Code: c.cur.Code, Topic: p.tp.Topic, Partition: p.tp.Partition,
		First: offset, Last: offset, Count: 1, Reason: reason})
}

// clock writes a time as reports do, "12.418 s".
func clock(t time.Duration) string {
	if t == Never {
		return "never"
	}
	return fmt.Sprintf("%.3f s", t.Seconds())
}

func acksName(a int16) string {
	if a == -1 {
		return "acks=all"
	}
	return fmt.Sprintf("acks=%d", a)
}
