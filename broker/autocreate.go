package broker

import (
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirlab/weir/env"
)

const (
	// autoCreatePatience is how long the controller has for topics that somebody
	// asked for. Whoever still needs them asks again.
	autoCreatePatience = 2 * time.Second
	// maxAutoCreating bounds the topics that are wanted at a time, and so what
	// clients that name ever more of them can pile up.
	maxAutoCreating = 1000
)

// topicCreator has the controller create topics that somebody asked for and that
// do not exist. Nobody waits for it (as for Kafka's AutoTopicCreationManager), and
// so no answer to a client depends on whether the controller answers.
type topicCreator struct {
	create func(*kmsg.CreateTopicsRequest)
	task   env.Task

	mu      env.Mutex
	due     env.Cond // wanted is not empty, or stopped
	wanted  []kmsg.CreateTopicsRequestTopic
	pending map[string]bool // names that are wanted, or asked of the controller
	stopped bool
}

// newTopicCreator starts the task that passes what is wanted to create, which
// may block.
func newTopicCreator(e env.Env, create func(*kmsg.CreateTopicsRequest)) *topicCreator {
	c := &topicCreator{create: create, mu: e.NewMutex(), pending: map[string]bool{}}
	c.due = e.NewCond(c.mu)
	c.task = e.Go("topic-creator", c.run)
	return c
}

// want asks for a topic, unless it was asked for already or too many are. It
// does not block, and reports whether the topic is asked for now.
func (c *topicCreator) want(t kmsg.CreateTopicsRequestTopic) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.pending[t.Topic] {
		return true
	}
	if c.stopped || len(c.pending) >= maxAutoCreating {
		return false
	}
	c.pending[t.Topic] = true
	c.wanted = append(c.wanted, t)
	c.due.Broadcast()
	return true
}

func (c *topicCreator) run() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for {
		for len(c.wanted) == 0 && !c.stopped {
			c.due.Wait()
		}
		if c.stopped {
			return
		}
		req := kmsg.NewPtrCreateTopicsRequest()
		req.Version, req.TimeoutMillis, req.Topics = 7, int32(autoCreatePatience.Milliseconds()), c.wanted
		c.wanted = nil
		c.mu.Unlock()
		c.create(req)
		c.mu.Lock()
		for i := range req.Topics {
			delete(c.pending, req.Topics[i].Topic)
		}
	}
}

// stop makes the task end once the controller's answer, if one is awaited, is
// there or given up; wait returns when it has.
func (c *topicCreator) stop() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stopped = true
	c.due.Broadcast()
}

func (c *topicCreator) wait() { c.task.Wait() }
