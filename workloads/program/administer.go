package program

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/weirlab/weir/env"
	"github.com/weirlab/weir/linearizability"
	"github.com/weirlab/weir/workloads/client"
)

// Administer is the program of administrators. Each has a topic of its own, which
// it creates, grows, configures, writes to, cuts, reads, deletes and creates again
// under the same name, and so knows what is to be there. Where an answer does not
// come, what was asked for may still be done at any time: the administrator goes
// on with a topic of another name. So it does where the answer is a surprise: a
// broker that forwards a request may have sent it twice. Besides it looks around
// in the cluster and does to the topic under load what harms nobody: preferred
// elections and changes of its configuration.
//
// Every answer is taken down ([linearizability.Administration]) with what is
// wrong with it. Errors are never wrong, but for one that says that the broker
// does not know what went wrong: a controller that has been replaced may answer
// by what it knows. What has been answered without an error holds.
type Administer struct {
	Topic          string
	Administrators int
	Every          time.Duration // pause between the operations of one of them

	w       *Workload
	topic   *topic
	process int64
}

// Kind implements Program.
func (p *Administer) Kind() string { return "administrator" }

// Clients implements Program.
func (p *Administer) Clients() int { return p.Administrators }

// On implements Program.
func (p *Administer) On() string { return p.Topic }

// Groups implements Program.
func (p *Administer) Groups() []string { return nil }

// Transactional implements Program.
func (p *Administer) Transactional() []string { return nil }

// Promise implements Program: everything that is answered.
func (p *Administer) Promise(m *linearizability.Manifest) { m.Administrators += p.Administrators }

func (p *Administer) join(w *Workload, _ int) error {
	topic, err := w.topic(p.Topic)
	if err != nil {
		return err
	}
	if p.Every <= 0 {
		return fmt.Errorf("%s between the operations of an administrator: it must be above zero", p.Every)
	}
	p.w, p.topic, p.process = w, topic, w.claim(int64(p.Administrators))
	return nil
}

// administering is one administrator's run.
type administering struct {
	operator
	p *Administer

	topics  int  // that it had, of different names
	present bool // the topic is there
	// partitions of the topic; life counts its creations.
	partitions int32
	life       int64
	written    map[record]bool // acknowledged at the first attempt
}

// record is what is in a record of an administrator's topic.
type record struct{ life, number int64 }

func (p *Administer) run(e env.Env, name string, i int) error {
	w := p.w
	c, err := w.connect(e, name)
	if err != nil {
		return err
	}
	defer c.Close()
	r := &administering{operator: w.operator(e, c, "administration", name, p.process+int64(i)), p: p}
	r.renew()
	r.begin(p.Every)
	r.meet(p.topic)
	r.every(p.Every, r.act)
	// It has to once everything is healed.
	r.settle("describe at the end", r.unlike)
	return nil
}

// act does one thing.
func (r *administering) act() {
	if r.rand.Chance(1, 3) {
		r.look()
		return
	}
	switch {
	case r.present:
		[]func(){r.grow, r.configure, r.write, r.write, r.cut, r.delete, r.create}[r.rand.Intn(7)]()
	case r.rand.Chance(7, 8):
		r.create()
	default:
		r.delete()
	}
}

// renew goes on with a topic of a name that was never used.
func (r *administering) renew() {
	r.topics++
	r.name = fmt.Sprintf("%s-%d", r.who, r.topics)
	r.present, r.partitions, r.written = false, 0, map[record]bool{}
}

func (r *administering) create() {
	req := kmsg.NewPtrCreateTopicsRequest()
	req.TimeoutMillis = int32(r.w.requestTimeout() / time.Millisecond)
	topic := kmsg.NewCreateTopicsRequestTopic()
	topic.Topic, topic.NumPartitions = r.name, int32(1+r.rand.Intn(3))
	topic.ReplicationFactor = r.p.topic.ReplicationFactor
	req.Topics = append(req.Topics, topic)
	wrong := ""
	if r.present {
		wrong = "it was created although it was there"
	}
	was := r.present
	made, known := r.change("create", req, func(resp kmsg.Response) int16 {
		return one(resp.(*kmsg.CreateTopicsResponse).Topics, func(t *kmsg.CreateTopicsResponseTopic) int16 { return t.ErrorCode })
	}, wrong)
	switch {
	case made:
		r.present, r.partitions = true, topic.NumPartitions
		r.life++
	case !was || !known:
		r.renew()
	}
}

func (r *administering) delete() {
	req := kmsg.NewPtrDeleteTopicsRequest()
	req.TimeoutMillis = int32(r.w.requestTimeout() / time.Millisecond)
	req.TopicNames = []string{r.name}
	topic := kmsg.NewDeleteTopicsRequestTopic()
	topic.Topic = kmsg.StringPtr(r.name)
	req.Topics = append(req.Topics, topic)
	wrong := ""
	if !r.present {
		wrong = "it was deleted although it was not there"
	}
	was := r.present
	made, known := r.change("delete", req, func(resp kmsg.Response) int16 {
		return one(resp.(*kmsg.DeleteTopicsResponse).Topics, func(t *kmsg.DeleteTopicsResponseTopic) int16 { return t.ErrorCode })
	}, wrong)
	switch {
	case made:
		r.present, r.partitions = false, 0
	case was || !known:
		r.renew()
	}
}

func (r *administering) grow() {
	if r.partitions >= 6 {
		return
	}
	req := kmsg.NewPtrCreatePartitionsRequest()
	req.TimeoutMillis = int32(r.w.requestTimeout() / time.Millisecond)
	topic := kmsg.NewCreatePartitionsRequestTopic()
	topic.Topic, topic.Count = r.name, r.partitions+1
	req.Topics = append(req.Topics, topic)
	if made, _ := r.change("grow", req, func(resp kmsg.Response) int16 {
		return one(resp.(*kmsg.CreatePartitionsResponse).Topics, func(t *kmsg.CreatePartitionsResponseTopic) int16 { return t.ErrorCode })
	}, ""); made {
		r.partitions++
	} else {
		r.renew()
	}
}

// write writes some records to the topic and reads a partition: what is there
// was written since the topic was created.
func (r *administering) write() {
	call := r.e.Now()
	c, err := r.w.connect(r.e, r.name+"-records")
	if err != nil {
		return
	}
	defer c.Close()
	cfg := client.DefaultProducerConfig()
	cfg.DeliveryTimeout, cfg.MaxBlock = 5*time.Second, 3*time.Second
	to, err := c.NewProducer(cfg)
	if err != nil {
		return
	}
	partition := int32(r.rand.Intn(int(r.partitions)))
	for n := range int64(1 + r.rand.Intn(5)) {
		rec := record{r.life, call.Nanoseconds() + n}
		value := binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(nil, uint64(rec.life)), uint64(rec.number))
		to.Produce(&client.Record{Topic: r.name, Partition: partition, Value: value, TimestampMillis: r.e.Wall().UnixMilli()}, func(_ *client.Record, res client.Result) {
			if res.Outcome == client.OutcomeOK && res.Attempts == 1 {
				r.written[rec] = true
			}
		})
	}
	to.Close(10 * time.Second)
	k, err := c.NewConsumer(client.ConsumerConfig{OffsetReset: client.ResetEarliest, MaxWait: 100 * time.Millisecond})
	if err != nil {
		return
	}
	defer k.Close()
	k.Assign([]client.TopicPartition{{Topic: r.name, Partition: partition}})
	wrong := ""
	for range 2 {
		batch := k.Poll(pollTimeout)
		for i := range batch.Partitions {
			for _, got := range batch.Partitions[i].Records {
				if len(got.Value) != 16 {
					continue
				}
				rec := record{int64(binary.BigEndian.Uint64(got.Value)), int64(binary.BigEndian.Uint64(got.Value[8:]))}
				if rec.life != r.life && r.written[rec] {
					wrong = fmt.Sprintf("offset %d of %s-%d holds a record that was acknowledged before the topic was deleted and created again", got.Offset, r.name, partition)
				}
			}
		}
	}
	r.tell("write and read", call, nil, wrong)
}

// unlike says in what the metadata differs from what is known, "" in nothing.
func (r *administering) unlike() string {
	topic, err := r.c.Admin().DescribeTopic(r.name, 2*time.Second)
	gone := errors.Is(err, kerr.UnknownTopicOrPartition)
	switch {
	case err != nil && !gone:
		return "it cannot be described: " + err.Error()
	case gone && r.present:
		return "it was created and not deleted, but is not there"
	case !gone && !r.present:
		return "it was deleted and not created since, but is there"
	case r.present && len(topic.Partitions) != int(r.partitions):
		return fmt.Sprintf("it was given %d partitions and has %d", r.partitions, len(topic.Partitions))
	}
	return ""
}
