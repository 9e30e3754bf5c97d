package linearizability

import (
	"fmt"
	"time"
)

// resolved is K10 for producers: once the cluster has healed, a record that is
// sent gets its answer before the patience that the run declares is over. What
// is still unknown then tells of a partition that takes nothing any more.
func (c *court) resolved(p *partition) {
	healed, patience := c.h.Closing.Healed, c.h.Closing.Patience
	for _, b := range p.sends {
		if b.Ended <= healed {
			continue
		}
		n := max(1, b.records())
		c.cur.Inputs += n
		waited := b.Ended - max(b.Call, healed)
		if b.Outcome != Info || b.Ended != Never && (waited < patience || b.Attempts < 2) {
			continue
		}
		if b.Ended != Never && unfit(b.Error) {
			continue // that is an answer, though an earlier attempt had none
		}
		how := fmt.Sprintf("given up as %q after %s", b.Error, clock(b.Ended-b.Call))
		if b.Ended == Never {
			how = "never answered at all"
		}
		c.found(p, 0, None, time.Duration(max(b.Call, healed)), fmt.Sprintf(
			"the send of value %d to %s by client %d at %s was %s, although every fault was over at %s: nobody knows whether the record is in",
			b.Value, p.tp, b.Process, clock(b.Call), how, clock(healed)), describeSend(&b.SendOp))
		c.cur.Findings += n - 1
	}
}
