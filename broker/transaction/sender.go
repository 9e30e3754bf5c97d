package transaction

import (
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirlab/weir/broker/metadata"
	"github.com/weirlab/weir/env"
)

const (
	// markersPerRequest bounds the partitions of one WriteTxnMarkers request.
	markersPerRequest = 1000

	// requestsPerBroker bounds the requests under way to one broker.
	requestsPerBroker = 4

	// markerBackoff is how long to wait before a marker is sent again that was
	// refused or has no leader to go to.
	markerBackoff = 50 * time.Millisecond

	// nobody is the destination of markers that cannot be sent now.
	nobody = -1
)

// sender carries markers to the leaders of their partitions, until each has
// been confirmed, or its topic is gone, or this broker no longer coordinates
// the transaction. What waits here is bounded by the partitions of the
// transactions that are ending, which the machines hold too. This broker's own
// partitions go the same way.
//
// Each destination has its queue and a few tasks, which end when it is empty.
type sender struct {
	env   env.Env
	image func() *metadata.Image
	write func(to *metadata.Broker, req *kmsg.WriteTxnMarkersRequest) (*kmsg.WriteTxnMarkersResponse, error)
	done  func(Marker) // a partition has its marker, or needs none

	mu      env.Mutex
	epochs  map[int32]int32    // in which this broker coordinates partitions of __transaction_state
	queues  map[int32][]Marker // by destination
	running map[int32]int      // tasks, by destination
	tasks   []env.Task         // that may still run
	stopped env.Signal
}

func newSender(e env.Env) *sender {
	return &sender{env: e, mu: e.NewMutex(), epochs: make(map[int32]int32), queues: make(map[int32][]Marker),
		running: make(map[int32]int), stopped: e.NewSignal()}
}

// lead has the markers of a coordinator carried, and no longer those of one in
// an older epoch.
func (s *sender) lead(partition, epoch int32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.epochs[partition] = max(epoch, s.epochs[partition])
}

// resign drops the markers of a coordinator.
func (s *sender) resign(partition, epoch int32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.epochs[partition] <= epoch {
		delete(s.epochs, partition)
	}
}

// stop drops all markers. It does not wait for what is under way: see wait.
func (s *sender) stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.epochs)
	s.stopped.Set()
}

func (s *sender) wait() {
	s.mu.Lock()
	tasks := s.tasks
	s.tasks = nil
	s.mu.Unlock()
	for _, t := range tasks {
		t.Wait()
	}
}

// send has markers carried. It does not wait.
func (s *sender) send(markers []Marker) {
	image := s.image()
	var gone []Marker
	s.mu.Lock()
	for _, m := range markers {
		to, exists := leaderOf(image, m.TP)
		if !exists {
			gone = append(gone, m)
			continue
		}
		s.enqueue(to, m)
	}
	s.mu.Unlock()
	for _, m := range gone {
		s.env.Event("transaction-marker-dropped", env.Text("id", m.TransactionalID), env.Text("topic", m.TP.Topic), env.Int("partition", m.TP.Partition))
		s.done(m)
	}
}

// leaderOf is where a partition's markers go, which may be nobody for the time
// being. A partition that is not in the metadata has been deleted: the machine
// takes partitions into transactions by metadata older than that of any
// coordinator that sends their markers.
func leaderOf(image *metadata.Image, tp TopicPartition) (broker int32, exists bool) {
	p := image.Partition(tp)
	if p == nil {
		return nobody, false
	}
	if b := image.Broker(p.Leader); b != nil && !b.Fenced {
		return b.ID, true
	}
	return nobody, true
}

// enqueue adds a marker to a queue. s.mu is held.
func (s *sender) enqueue(to int32, m Marker) {
	if s.stopped.IsSet() {
		return
	}
	s.queues[to] = append(s.queues[to], m)
	most := requestsPerBroker
	if to == nobody {
		most = 1
	}
	if s.running[to] == most {
		return
	}
	s.running[to]++
	running := s.tasks[:0]
	for _, t := range s.tasks {
		if !t.Done() {
			running = append(running, t)
		}
	}
	name, run := fmt.Sprintf("transaction: markers to broker %d", to), s.deliver
	if to == nobody {
		name, run = "transaction: markers that wait", s.hold
	}
	s.tasks = append(running, s.env.Go(name, func() { run(to) }))
}

// take takes the next markers of a queue that still count. With none left the
// task that asks is to end.
func (s *sender) take(to int32, most int) (batch []Marker) {
	s.mu.Lock()
	defer s.mu.Unlock()
	queue := s.queues[to]
	for len(queue) > 0 && len(batch) < most {
		m := queue[0]
		queue = queue[1:]
		if epoch, ok := s.epochs[m.Coordinator]; ok && epoch == m.CoordinatorEpoch {
			batch = append(batch, m)
		}
	}
	if s.queues[to] = queue; len(queue) == 0 {
		delete(s.queues, to)
	}
	if len(batch) == 0 {
		s.running[to]--
	}
	return batch
}

// hold is the task of markers that cannot be sent now.
func (s *sender) hold(int32) {
	for {
		if s.stopped.Wait(markerBackoff) {
			return
		}
		batch := s.take(nobody, 1<<30)
		if len(batch) == 0 {
			return
		}
		s.send(batch)
	}
}

// deliver is a task that sends a broker its markers.
func (s *sender) deliver(to int32) {
	for {
		batch := s.take(to, markersPerRequest)
		if len(batch) == 0 {
			return
		}
		// Another task may be late at any time: what is queued meanwhile goes ahead.
		if d := s.env.Lab().Late("transaction/markers-late", 200*time.Millisecond); d > 0 && s.stopped.Wait(d) {
			return
		}
		image := s.image()
		var mine, others []Marker
		for _, m := range batch {
			if leader, exists := leaderOf(image, m.TP); !exists || leader != to {
				others = append(others, m)
			} else {
				mine = append(mine, m)
			}
		}
		s.send(others)
		if len(mine) > 0 {
			s.deliverTo(image.Broker(to), mine)
		}
	}
}

// deliverTo sends a broker its markers and sees what becomes of each.
func (s *sender) deliverTo(broker *metadata.Broker, batch []Marker) {
	resp, err := s.write(broker, markersRequest(batch))
	codes := map[partitionOfProducer]int16{}
	if err == nil {
		codes = answeredCodes(resp)
	}
	var again []Marker
	for _, m := range batch {
		code, answered := codes[partitionOfProducer{m.ProducerID, m.TP}]
		if lab := s.env.Lab(); lab != nil && answered {
			lab.Reached("transaction marker", "answered", codeName(code))
		}
		switch {
		case !answered:
			again = append(again, m)
		case code == 0:
			s.done(m)
		case code == kerr.InvalidProducerEpoch.Code, code == kerr.UnsupportedForMessageFormat.Code:
			// The producer has gone on there under a later epoch, which it gets
			// no sooner than this transaction has ended: it has nothing open.
			s.env.Event("transaction-marker-refused", env.Text("id", m.TransactionalID), env.Text("topic", m.TP.Topic),
				env.Int("partition", m.TP.Partition), env.Text("code", codeName(code)))
			s.done(m)
		case code == kerr.TransactionCoordinatorFenced.Code:
			// There is a later coordinator, which sends the marker too.
		default:
			again = append(again, m)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, m := range again {
		s.enqueue(nobody, m)
	}
}

func codeName(code int16) string {
	if code == 0 {
		return "NONE"
	}
	if e := kerr.TypedErrorForCode(code); e != nil {
		return e.Message
	}
	return fmt.Sprint(code)
}

// markersRequest is the request that carries markers of one broker, those of
// one transaction together.
func markersRequest(batch []Marker) *kmsg.WriteTxnMarkersRequest {
	req := kmsg.NewPtrWriteTxnMarkersRequest()
	for _, m := range batch {
		n := len(req.Markers)
		if n == 0 || !sameTransaction(&req.Markers[n-1], &m) {
			marker := kmsg.NewWriteTxnMarkersRequestMarker()
			marker.ProducerID, marker.ProducerEpoch, marker.Committed = m.ProducerID, m.Epoch, m.Commit
			marker.CoordinatorEpoch, marker.TransactionVersion = m.CoordinatorEpoch, int8(m.Version)
			req.Markers = append(req.Markers, marker)
			n++
		}
		topics := &req.Markers[n-1].Topics
		if k := len(*topics); k == 0 || (*topics)[k-1].Topic != m.TP.Topic {
			topic := kmsg.NewWriteTxnMarkersRequestMarkerTopic()
			topic.Topic = m.TP.Topic
			*topics = append(*topics, topic)
		}
		last := &(*topics)[len(*topics)-1]
		last.Partitions = append(last.Partitions, m.TP.Partition)
	}
	return req
}

func sameTransaction(a *kmsg.WriteTxnMarkersRequestMarker, m *Marker) bool {
	return a.ProducerID == m.ProducerID && a.ProducerEpoch == m.Epoch && a.Committed == m.Commit && a.CoordinatorEpoch == m.CoordinatorEpoch
}

// partitionOfProducer is what answers go by. A producer has one transaction that
// is ending.
type partitionOfProducer struct {
	producerID int64
	tp         TopicPartition
}

func answeredCodes(resp *kmsg.WriteTxnMarkersResponse) map[partitionOfProducer]int16 {
	codes := map[partitionOfProducer]int16{}
	for i := range resp.Markers {
		for j := range resp.Markers[i].Topics {
			topic := &resp.Markers[i].Topics[j]
			for _, p := range topic.Partitions {
				codes[partitionOfProducer{resp.Markers[i].ProducerID, TopicPartition{Topic: topic.Topic, Partition: p.Partition}}] = p.ErrorCode
			}
		}
	}
	return codes
}
