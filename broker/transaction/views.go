package transaction

import "github.com/weirlab/weir/env"

// View is a transactional id as its coordinator has it, committed or not, for
// invariants checked from outside.
type View struct {
	ID               string
	Coordinator      int32 // partition of __transaction_state
	CoordinatorEpoch int32
	Status           // not to be changed
}

// views shows what machines have, to whoever is not their shard's task.
type views struct {
	mu      env.Mutex
	byShard map[int32]*view
}

// view is what one machine has.
type view struct {
	mu    env.Mutex
	epoch int32
	byID  map[string]*Status
}

func newViews(e env.Env) views { return views{mu: e.NewMutex(), byShard: make(map[int32]*view)} }

func (v *views) open(partition, epoch int32) *view {
	v.mu.Lock()
	defer v.mu.Unlock()
	own := &view{mu: v.mu, epoch: epoch, byID: make(map[string]*Status)}
	v.byShard[partition] = own
	return own
}

func (v *views) close(partition, epoch int32) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if own := v.byShard[partition]; own != nil && own.epoch <= epoch {
		delete(v.byShard, partition)
	}
}

// set shows a status, nil for none.
func (v *view) set(id string, s *Status) {
	if v == nil {
		return
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if s == nil {
		delete(v.byID, id)
	} else {
		v.byID[id] = s
	}
}

// Transactions are the transactional ids that this broker coordinates, in order
// of their partitions and names.
func (c *Coordinator) Transactions() (list []View) {
	c.views.mu.Lock()
	defer c.views.mu.Unlock()
	for _, p := range env.SortedKeys(c.views.byShard) {
		v := c.views.byShard[p]
		for _, id := range env.SortedKeys(v.byID) {
			list = append(list, View{ID: id, Coordinator: p, CoordinatorEpoch: v.epoch, Status: *v.byID[id]})
		}
	}
	return list
}
