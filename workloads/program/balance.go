package program

import (
	"fmt"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirlab/weir/env"
	"github.com/weirlab/weir/linearizability"
	"github.com/weirlab/weir/workloads/client"
)

// Balance is the program of balancers. They give the partitions of the topic under
// load other replicas, more and fewer of them, change their minds, cancel, and
// elect preferred leaders (KIP-455, KIP-460). Each partition is one balancer's, so
// that it knows what is to become of it. There are never fewer replicas than
// min.insync.replicas, and what was promised to producers holds throughout.
//
// At the end, once everything is healed, each partition is to be where its balancer
// was told that it goes, with all replicas in sync, and no broker is to have a
// replica that is not its own (K15). Where an answer did not come, or another one
// than was to be expected, what was asked for may be done at any time, and any of
// what was asked for since may be what there is.
type Balance struct {
	Topic     string
	Balancers int
	Every     time.Duration // pause between the operations of one of them
	Fewest    int           // replicas of a partition: min.insync.replicas of the topic
	Throttle  int64         // bytes a second of replication, now and then (KIP-73); 0 for never

	// Directories has replicas moved between the log directories of their brokers
	// too (KIP-113). That changes nothing that the program judges.
	Directories bool

	w       *Workload
	topic   *topic
	process int64
}

// Kind implements Program.
func (p *Balance) Kind() string { return "balancer" }

// Clients implements Program.
func (p *Balance) Clients() int { return p.Balancers }

// On implements Program.
func (p *Balance) On() string { return p.Topic }

// Groups implements Program.
func (p *Balance) Groups() []string { return nil }

// Transactional implements Program.
func (p *Balance) Transactional() []string { return nil }

// Promise implements Program: everything that is answered.
func (p *Balance) Promise(m *linearizability.Manifest) { m.Administrators += p.Balancers }

func (p *Balance) join(w *Workload, _ int) error {
	topic, err := w.topic(p.Topic)
	if err != nil {
		return err
	}
	if p.Every <= 0 {
		return fmt.Errorf("%s between the operations of a balancer: it must be above zero", p.Every)
	}
	p.w, p.topic, p.process = w, topic, w.claim(int64(p.Balancers))
	return nil
}

// balancing is one balancer's run.
type balancing struct {
	operator
	b       *Balance
	brokers []int32
	parts   []*placement

	throttles *env.Rand
	throttled bool // that was asked for, and may come true yet
}

// placement is what a balancer knows of the replicas of a partition. Sets of
// replicas are sorted.
type placement struct {
	partition int32
	may       [][]int32 // one of these is where the partition ends up
	origins   [][]int32 // one of these is where a cancel leaves it
	open      bool      // something that was asked for may still be done
}

func (p *Balance) run(e env.Env, name string, i int) error {
	w := p.w
	c, err := w.connect(e, name)
	if err != nil {
		return err
	}
	defer c.Close()
	r := &balancing{operator: w.operator(e, c, "balance", name, p.process+int64(i)), b: p, throttles: e.Rand("throttles", name)}
	r.name = p.Topic
	r.begin(p.Every)
	r.every(p.Every, func() { r.act(i) })
	if len(r.parts) > 0 {
		r.settle("describe replicas at the end", r.unlike)
	}
	return nil
}

// act does one thing.
func (r *balancing) act(i int) {
	if len(r.parts) == 0 {
		r.learn(i)
		return
	}
	if r.b.Throttle > 0 && r.throttles.Chance(1, 8) {
		_ = r.throttle(r.throttles.Chance(2, 3))
		return
	}
	part := r.parts[r.rand.Intn(len(r.parts))]
	if r.b.Directories && r.throttles.Chance(1, 2) {
		r.changeDirectory(part)
		return
	}
	switch n := r.rand.Intn(8); {
	case n < 5:
		r.move(part)
	case n < 6:
		r.cancel(part)
	case n < 7:
		r.prefer(part)
	default:
		r.list()
	}
}

// learn asks which brokers there are, and where the balancer's partitions are
// before it has moved any.
func (r *balancing) learn(first int) {
	r.meet(r.b.topic)
	meta, err := r.describe()
	if err != nil || len(meta.Topics) != 1 || meta.Topics[0].ErrorCode != 0 {
		return
	}
	for i := range meta.Brokers {
		r.know(meta.Brokers[i].NodeID)
	}
	for i := range meta.Topics[0].Partitions {
		p := &meta.Topics[0].Partitions[i]
		if int(p.Partition)%r.b.Balancers != first {
			continue
		}
		set := [][]int32{sorted(p.Replicas)}
		r.parts = append(r.parts, &placement{partition: p.Partition, may: set, origins: set})
	}
}

func (r *balancing) describe() (*kmsg.MetadataResponse, error) {
	req := kmsg.NewPtrMetadataRequest()
	topic := kmsg.NewMetadataRequestTopic()
	topic.Topic = kmsg.StringPtr(r.name)
	req.Topics = append(req.Topics, topic)
	resp, err := r.c.Request(-1, req, r.w.requestTimeout())
	if err != nil {
		return nil, err
	}
	return resp.(*kmsg.MetadataResponse), nil
}

// reassign asks for other replicas, nil to cancel, and reports whether that is
// done, and whether it may be.
func (r *balancing) reassign(what string, part *placement, replicas []int32) (made, open bool) {
	req := kmsg.NewPtrAlterPartitionAssignmentsRequest()
	req.TimeoutMillis = int32(r.w.requestTimeout() / time.Millisecond)
	topic := kmsg.NewAlterPartitionAssignmentsRequestTopic()
	topic.Topic = r.name
	topic.Partitions = []kmsg.AlterPartitionAssignmentsRequestTopicPartition{{Partition: part.partition, Replicas: replicas}}
	req.Topics = append(req.Topics, topic)
	code := func(resp kmsg.Response) int16 {
		answer := resp.(*kmsg.AlterPartitionAssignmentsResponse)
		if answer.ErrorCode != 0 || len(answer.Topics) != 1 {
			return answer.ErrorCode
		}
		return one(answer.Topics[0].Partitions, func(p *kmsg.AlterPartitionAssignmentsResponseTopicPartition) int16 { return p.ErrorCode })
	}
	resp, err := r.ask(what, req, func(kmsg.Response) string { return "" })
	if err != nil {
		return false, true
	}
	switch code(resp) {
	case 0:
		return len(resp.(*kmsg.AlterPartitionAssignmentsResponse).Topics) == 1, false
	case kerr.NoReassignmentInProgress.Code, kerr.InvalidReplicaAssignment.Code:
		// Or it was cancelled before, by a request that was sent twice.
		return false, replicas == nil
	}
	return false, true
}

// move gives a partition other replicas.
func (r *balancing) move(part *placement) {
	brokers := slices.Clone(r.brokers)
	for i := range brokers {
		j := i + r.rand.Intn(len(brokers)-i)
		brokers[i], brokers[j] = brokers[j], brokers[i]
	}
	n := min(max(int(r.b.topic.ReplicationFactor)-1+r.rand.Intn(3), r.b.Fewest, 1), len(brokers))
	target := brokers[:n]
	set := sorted(target)
	made, open := r.reassign(fmt.Sprintf("move partition %d to %v", part.partition, target), part, target)
	part.open = part.open || open
	if !made && !open {
		return
	}
	// The one before may be complete, and then it is what a cancel leaves.
	part.origins = union(part.origins, part.may)
	if part.may = union(part.may, [][]int32{set}); made && !part.open {
		part.may = [][]int32{set}
	}
}

// cancel leaves a partition where it was, if it is on its way.
func (r *balancing) cancel(part *placement) {
	made, open := r.reassign(fmt.Sprintf("cancel the move of partition %d", part.partition), part, nil)
	if made || open {
		part.may = union(part.may, part.origins)
	}
}

func (r *balancing) prefer(part *placement) {
	req := kmsg.NewPtrElectLeadersRequest()
	req.TimeoutMillis = int32(r.w.requestTimeout() / time.Millisecond)
	topic := kmsg.NewElectLeadersRequestTopic()
	topic.Topic, topic.Partitions = r.name, []int32{part.partition}
	req.Topics = append(req.Topics, topic)
	_, _ = r.ask("elect preferred leaders", req, func(kmsg.Response) string { return "" })
}

// list asks what is on its way. A controller that has been replaced may answer by
// what it knows, but not nonsense.
func (r *balancing) list() {
	_, _ = r.ask("list reassignments", kmsg.NewPtrListPartitionReassignmentsRequest(), func(resp kmsg.Response) string {
		for _, t := range resp.(*kmsg.ListPartitionReassignmentsResponse).Topics {
			for i := range t.Partitions {
				p := &t.Partitions[i]
				some := slices.Concat(p.AddingReplicas, p.RemovingReplicas)
				if len(some) == 0 || !distinct(some) || slices.ContainsFunc(some, func(id int32) bool { return !slices.Contains(p.Replicas, id) }) {
					return fmt.Sprintf("the answer has a reassignment of %s-%d to %v that adds %v and removes %v", t.Topic, p.Partition, p.Replicas, p.AddingReplicas, p.RemovingReplicas)
				}
			}
		}
		return ""
	})
}

// unlike says what is not where it is to be, "" for nothing.
func (r *balancing) unlike() string {
	// Its client may know brokers by what was when one of them was away.
	if c, err := r.w.connect(r.e, r.who+"-end"); err == nil {
		defer c.Close()
		r.c = c
	}
	_, _, _ = r.c.Admin().ListOffset(r.b.topic.partition(0), client.TimestampLatest, 2*time.Second)
	// Each time: what was asked for before may be done late.
	if r.throttled {
		if why := r.throttle(false); why != "" {
			return "the throttle of replication cannot be taken away: " + why
		}
	}
	resp, err := r.c.Request(-1, kmsg.NewPtrListPartitionReassignmentsRequest(), 2*time.Second)
	if err != nil {
		return "reassignments cannot be listed: " + err.Error()
	}
	moving := resp.(*kmsg.ListPartitionReassignmentsResponse)
	if moving.ErrorCode != 0 {
		return "reassignments cannot be listed: " + kerr.ErrorForCode(moving.ErrorCode).Error()
	}
	meta, err := r.describe()
	if err != nil || len(meta.Topics) != 1 || meta.Topics[0].ErrorCode != 0 {
		return "the topic cannot be described"
	}
	// A broker that was away when the balancer began is there now.
	for i := range meta.Brokers {
		r.know(meta.Brokers[i].NodeID)
	}
	holders, why := r.holders()
	if why != "" {
		return why
	}
	for _, part := range r.parts {
		i := slices.IndexFunc(meta.Topics[0].Partitions, func(p kmsg.MetadataResponseTopicPartition) bool { return p.Partition == part.partition })
		if i < 0 {
			return fmt.Sprintf("partition %d is not there", part.partition)
		}
		p := &meta.Topics[0].Partitions[i]
		replicas, isr := sorted(p.Replicas), sorted(p.ISR)
		switch {
		case slices.ContainsFunc(moving.Topics, func(t kmsg.ListPartitionReassignmentsResponseTopic) bool {
			return t.Topic == r.name && slices.ContainsFunc(t.Partitions, func(q kmsg.ListPartitionReassignmentsResponseTopicPartition) bool {
				return q.Partition == part.partition
			})
		}):
			return fmt.Sprintf("partition %d is still being moved, with replicas %v of which %v are in sync", part.partition, p.Replicas, p.ISR)
		case !slices.ContainsFunc(part.may, func(set []int32) bool { return slices.Equal(set, replicas) }):
			return fmt.Sprintf("partition %d is on %v, and was to be on one of %v", part.partition, replicas, part.may)
		case !slices.Equal(isr, replicas):
			return fmt.Sprintf("of the replicas %v of partition %d only %v are in sync", replicas, part.partition, isr)
		case !slices.Equal(holders[part.partition], replicas):
			return fmt.Sprintf("partition %d has logs on brokers %v, and replicas on %v", part.partition, holders[part.partition], replicas)
		}
	}
	return ""
}

// know takes note of a broker.
func (r *balancing) know(broker int32) {
	if !slices.Contains(r.brokers, broker) {
		r.brokers = append(r.brokers, broker)
	}
}

// holders are the brokers that have a log of each partition, ascending.
func (r *balancing) holders() (of map[int32][]int32, why string) {
	of = map[int32][]int32{}
	for _, broker := range sorted(r.brokers) {
		resp, err := r.c.Request(broker, kmsg.NewPtrDescribeLogDirsRequest(), 2*time.Second)
		if err != nil {
			return nil, fmt.Sprintf("the log directories of broker %d cannot be described: %v", broker, err)
		}
		for _, dir := range resp.(*kmsg.DescribeLogDirsResponse).Dirs {
			for _, t := range dir.Topics {
				for i := range t.Partitions {
					if t.Topic == r.name && !t.Partitions[i].IsFuture {
						of[t.Partitions[i].Partition] = append(of[t.Partitions[i].Partition], broker)
					}
				}
			}
		}
	}
	return of, ""
}

func sorted(ids []int32) []int32 {
	out := slices.Clone(ids)
	slices.Sort(out)
	return out
}

// union is a with the sets of b that it lacks.
func union(a, b [][]int32) [][]int32 {
	out := slices.Clone(a)
	for _, set := range b {
		if !slices.ContainsFunc(out, func(other []int32) bool { return slices.Equal(other, set) }) {
			out = append(out, set)
		}
	}
	return out
}

// distinct reports whether no id is there twice.
func distinct(ids []int32) bool { return len(slices.Compact(sorted(ids))) == len(ids) }
