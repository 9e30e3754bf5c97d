package linearizability

import (
	"bytes"
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// loses has a partition lose what it had, as its topic allows: a leader of epoch 2 is
// elected uncleanly.
func (h *History) loses(topic string, partition int32, at time.Duration) {
	i := slices.IndexFunc(h.Topics, func(p Topic) bool { return p.Name == topic })
	h.Topics[i].UncleanElection = true
	h.Manifest.Facts = []Fact{FactStates, FactElections}
	for _, t := range h.Topics {
		for p := range t.Partitions {
			h.States = append(h.States, PartitionState{Topic: t.Name, Partition: p, Leader: 1, LeaderEpoch: 1, PartitionEpoch: 1, ISR: []int32{1}, Replicas: all3})
		}
	}
	h.States = append(h.States, PartitionState{Topic: topic, Partition: partition, Time: at, Leader: 2, LeaderEpoch: 2, PartitionEpoch: 2, ISR: []int32{2}, Replicas: all3})
	if topic == TransactionTopic {
		h.Scans = append(h.Scans, Scan{Topic: topic, Partition: partition, Broker: 2, Leader: true})
	}
	log := h.scanOf(topic, partition)
	log.Epochs = append(log.Epochs, EpochStart{Topic: topic, Partition: partition, LeaderEpoch: 2, Leader: None})
}

// What a permitted loss explains is excused and the loss is named; without the loss, or
// with one that cannot have done it, it is found.
func TestLossesBehindTransactions(t *testing.T) {
	isRead := func(h *History) {
		p := h.pollOf("moves", 0)
		p.Records = slices.Insert(slices.Clone(p.Records), 1, Record{2, 102})
		h.scanOf("moves", 0).Markers[1].LeaderEpoch = 2
	}
	skipped := func(h *History) {
		p := h.pollOf("moves", 0)
		p.Records = slices.Delete(slices.Clone(p.Records), 1, 2)
		h.scanOf("moves", 0).Markers[2].LeaderEpoch = 2
	}
	passedOver := func(h *History) {
		skipped(h)
		p := h.pollOf("moves", 0)
		again := *p
		p.Records, again.Records = p.Records[:1], p.Records[1:]
		again.Position, again.Call, again.Return, again.LeaderEpoch = 1, again.Call+10*second, again.Return+10*second, 2
		h.Polls = append(h.Polls, again)
	}
	passed := func(h *History) {
		skipped(h)
		on := *h.pollOf("moves", 0)
		last := on.Records[len(on.Records)-1].Offset
		on.Call, on.Return, on.Position, on.Records = 24*second, 24*second+1, last+1, nil
		h.Polls = append(h.Polls, on)
	}
	passedOverByAll := func(h *History) {
		passedOver(h)
		h.pollOf("moves", 0).ReadCommitted = false
		h.Polls[len(h.Polls)-1].ReadCommitted = false
	}
	stuck := func(h *History) {
		h.scanOf("moves", 0).Records[2].ProducerID = 51 // at offset 4, which no marker ends
		p := h.pollOf("moves", 0)
		p.Records = p.Records[:1]
	}
	fenced := func(h *History) {
		i := slices.IndexFunc(h.Inits, func(f InitOp) bool { return f.ID == "a" && f.ProducerEpoch == 5 })
		h.Inits[i].ProducerEpoch = 9
	}
	twice := func(h *History) {
		again := h.Inits[slices.IndexFunc(h.Inits, func(f InitOp) bool { return f.ID == "a" && f.ProducerEpoch == 5 })]
		again.Process, again.Call, again.Return = 4, 30*second, 31*second
		h.Inits = append(h.Inits, again)
		s := *h.sendOf(106)
		s.Process, s.Value, s.Call, s.Return, s.Ended = 4, 400, 32*second, 33*second, 33*second
		h.Sends = append(h.Sends, s)
		tx := *h.transactionOf(106)
		tx.Process, tx.Call, tx.Asked, tx.Return, tx.Ended = 4, 32*second, 34*second, 35*second, 35*second
		tx.Writes = []Write{{Value: 400, Of: None}}
		h.Transactions = append(h.Transactions, tx)
	}
	ended := func(h *History) { // by a marker for the other producer
		twice(h)
		log := h.scanOf("moves", 1)
		s := &h.Sends[len(h.Sends)-1]
		s.TP.Partition, s.Value, s.Offset, s.Sequence = 1, 401, log.LogEnd, 1
		log.Records = append(log.Records, ScanRecord{Offset: s.Offset, Value: 401, ProducerID: 50, ProducerEpoch: 5, Sequence: 1, LeaderEpoch: 1, Transactional: true})
		log.Markers = append(log.Markers, Marker{Offset: s.Offset + 1, ProducerID: 50, ProducerEpoch: 5, LeaderEpoch: 1})
		log.LogEnd, log.HighWatermark = s.Offset+2, s.Offset+2
		h.Transactions[len(h.Transactions)-1].Writes[0].Value = 401
	}
	pending := func(h *History) {
		h.Manifest.Grouped = []string{"in"}
		h.pollOf("in", 0).Records = h.pollOf("in", 0).Records[:1]
		o := &h.Offsets[len(h.Offsets)-1]
		o.Outcome, o.Error = Fail, unstable
	}
	goneBack := func(h *History) { h.Offsets[len(h.Offsets)-1].Offset = None }
	polledLater := func(h *History) { h.pollOf("moves", 0).LeaderEpoch = 2 }
	kept := func(h *History) {
		for i := range h.Scans {
			for k := range h.Scans[i].Markers {
				h.Scans[i].Markers[k].LeaderEpoch = 1
			}
		}
	}
	lose := func(topic string, at time.Duration) func(*History) {
		return func(h *History) { h.loses(topic, 0, at) }
	}
	notAgain := func(h *History) {
		h.Inits = slices.DeleteFunc(h.Inits, func(i InitOp) bool { return i.Process == 4 })
	}
	for _, c := range []struct {
		name    string
		plant   func(*History)
		lose    func(*History)
		instead map[string][]func(*History) // what does not explain it
		checks  []check
		says    string
	}{
		{"a marker by which a record was read", isRead, lose("moves", 25*second), map[string][]func(*History){
			"nothing": nil, "a loss before it was read": {lose("moves", 15*second), polledLater}, "a marker that was not lost": {lose("moves", 25*second), kept},
			"a loss of the coordinator's": {lose(TransactionTopic, 25*second)},
		}, []check{checkIsolation}, "broker 2 became leader in epoch 2 at 25.000 s by unclean election, which the topic allows"},
		{"a marker by which a record was skipped", skipped, lose("moves", 25*second), map[string][]func(*History){
			"nothing": nil, "a loss before": {lose("moves", 15*second), polledLater}, "a marker that was not lost": {lose("moves", 25*second), kept},
		}, []check{checkSessions}, "broker 2 became leader in epoch 2 at 25.000 s by unclean election, which the topic allows"},
		{"a marker by which a record was passed over between two polls", passedOver, lose("moves", 25*second), map[string][]func(*History){
			"nothing": nil, "a loss before both": {lose("moves", 15*second), polledLater}, "a marker that was not lost": {lose("moves", 25*second), kept},
		}, []check{checkSessions}, "broker 2 became leader in epoch 2 at 25.000 s by unclean election, which the topic allows"},
		{"a marker by which a record was passed", passed, lose("moves", 25*second), map[string][]func(*History){
			"nothing": nil, "a loss before": {lose("moves", 23*second), func(h *History) { h.Polls[len(h.Polls)-1].LeaderEpoch = 2 }}, "a marker that was not lost": {lose("moves", 25*second), kept},
			"readers of everything": {lose("moves", 25*second), func(h *History) { h.pollOf("moves", 0).ReadCommitted = false }},
		}, []check{checkUnseen}, "broker 2 became leader in epoch 2 at 25.000 s by unclean election, which the topic allows"},
		{"a marker that was where a record is now", passedOverByAll, lose("moves", 25*second), map[string][]func(*History){
			"nothing": nil, "a loss before both": {lose("moves", 15*second), polledLater}, "another partition": {lose("in", 25*second)},
		}, []check{checkSessions}, "broker 2 became leader in epoch 2 at 25.000 s by unclean election, which the topic allows"},
		{"the end of a transaction, behind which nobody reads", stuck, lose(TransactionTopic, 25*second), map[string][]func(*History){
			"nothing": nil, "another partition": {lose("in", 25*second)},
			"a loss before it began": {lose(TransactionTopic, 7*second/2)},
			"readers of everything":  {lose(TransactionTopic, 25*second), func(h *History) { h.pollOf("moves", 0).ReadCommitted = false }},
		}, []check{checkUnseen}, "broker 2 became leader in epoch 2 at 25.000 s by unclean election, which the topic allows"},
		{"the end of a transaction", func(h *History) {
			h.scanOf("moves", 0).Markers = h.scanOf("moves", 0).Markers[:3]
			h.scanOf("moves", 0).Time = 60 * second
		}, lose(TransactionTopic, 25*second), map[string][]func(*History){
			"nothing": nil, "another partition": {lose("in", 25*second)}, "a loss before it began": {lose(TransactionTopic, 13*second/2)},
		}, []check{checkHanging}, "broker 2 became leader in epoch 2 at 25.000 s by unclean election, which the topic allows"},
		{"the end of a transaction, behind which a group does not read on", pending, lose(TransactionTopic, 25*second), map[string][]func(*History){
			"nothing": nil, "another partition": {lose("in", 25*second)}, "a loss before it began": {lose(TransactionTopic, 2*second)},
			"what lies before that which the group was given": {lose(TransactionTopic, 25*second), func(h *History) {
				h.pollOf("in", 0).Records = []Record{{1, 201}}
			}},
			"readers by themselves": {lose(TransactionTopic, 25*second), func(h *History) { h.Manifest.Grouped = nil }},
			"offsets that are known": {lose(TransactionTopic, 25*second), func(h *History) {
				o := &h.Offsets[len(h.Offsets)-1]
				o.Outcome, o.Error = OK, ""
			}},
		}, []check{checkUnseen}, "broker 2 became leader in epoch 2 at 25.000 s by unclean election, which the topic allows"},
		{"an offset that was committed", goneBack, lose(TransactionTopic, 25*second/2), map[string][]func(*History){
			"nothing": nil, "another partition": {lose("in", 25*second/2)}, "a loss before it began": {lose(TransactionTopic, 2*second)},
			"a loss behind the look-up": {lose(TransactionTopic, 25*second)},
			"an offset that never was":  {lose(TransactionTopic, 25*second/2), func(h *History) { h.Offsets[len(h.Offsets)-1].Offset = 1 }},
		}, []check{checkRegister}, "what became of the transactions that they were committed in is in __transaction_state-0: broker 2 became leader in epoch 2 at 12.500 s"},
		{"a fence", fenced, lose(TransactionTopic, 13*second/2), map[string][]func(*History){
			"nothing": nil, "a loss before the fence": {lose(TransactionTopic, 11*second/2)},
		}, []check{checkZombies}, "broker 2 became leader in epoch 2 at 6.500 s by unclean election, which the topic allows"},
		{"an epoch that was given out", twice, lose(TransactionTopic, 29*second), map[string][]func(*History){
			"nothing": nil, "a loss before it was given out": {lose(TransactionTopic, 4*second/5)}, "an epoch that nobody was given again": {lose(TransactionTopic, 29*second), notAgain},
		}, []check{checkSurvival, checkAgreement}, "__transaction_state-0 gave out epoch 5 of producer id 50 again: broker 2 became leader in epoch 2 at 29.000 s"},
		{"an epoch that was given out, and whose transaction was ended", ended, lose(TransactionTopic, 29*second), map[string][]func(*History){
			"nothing": nil, "a loss before it was given out": {lose(TransactionTopic, 4*second/5)},
		}, []check{checkAtomicity}, "__transaction_state-0 gave out epoch 5 of producer id 50 again: broker 2 became leader in epoch 2 at 29.000 s"},
	} {
		judged := func(doctor ...func(*History)) Verdict {
			h, err := ReadHistory(bytes.NewReader(transactedRun(t)))
			require.NoError(t, err)
			c.plant(h)
			for _, change := range doctor {
				change(h)
			}
			h.Closing.Counts = h.Counts()
			return Judge(context.Background(), h, Options{})
		}
		t.Run(c.name, func(t *testing.T) {
			v := judged(c.lose)
			for _, k := range c.checks {
				got := checkNamed(t, v, k)
				require.Equal(t, Pass, got.Status, "%s: %v, %s", k.name, v.Findings, got.Note)
			}
			require.True(t, slices.ContainsFunc(v.Excused, func(x Excuse) bool { return x.Code == c.checks[0].code && strings.Contains(x.Reason, c.says) }), "%v", v.Excused)
			for name, doctor := range c.instead {
				v := judged(doctor...)
				for _, k := range c.checks {
					require.Equal(t, Failed, checkNamed(t, v, k).Status, "%s, instead: %s", k.name, name)
				}
			}
		})
	}
}

// Readers that are stuck behind a transaction which a permitted loss has left without an
// end have not shown everything: nothing follows from what transactions wrote there, and
// from the others what always does.
func TestALossExcusesWhatIsShownInPart(t *testing.T) {
	for want, change := range map[Status]func(*History){
		Unknown: func(h *History) { h.loses(TransactionTopic, 0, 7*second/2) },
		Pass:    func(h *History) { h.loses(TransactionTopic, 0, 5*second) },
		Failed: func(h *History) {
			h.loses(TransactionTopic, 0, 5*second)
			tx := h.transactionOf(106)                                                             // after the loss
			tx.Writes = slices.DeleteFunc(tx.Writes, func(w Write) bool { return w.Value != 106 }) // all of it is in the partition that is read to the end
		},
	} {
		h, err := ReadHistory(bytes.NewReader(transactedRun(t)))
		require.NoError(t, err)
		h.pollOf("moves", 1).Records = h.pollOf("moves", 1).Records[:1]
		h.scanOf("moves", 1).Records[2].ProducerID = 51 // at offset 4, which no marker ends
		change(h)
		h.Closing.Counts = h.Counts()
		got := checkNamed(t, Judge(context.Background(), h, Options{}), checkConservation)
		require.Equal(t, want, got.Status, got.Note)
	}
}
