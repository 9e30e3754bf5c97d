package measure

import (
	"fmt"
	"time"
)

// fullPercent is from where on a limit counts as reached: queues in front of
// it are rarely empty then.
const fullPercent = 85

// Bottleneck names the limit that held the run back the most: the machine, the
// limit and how much of it was used. It is empty if none was close to being
// reached: then the clients' settings or the latency of single requests decide.
func (m *Measurement) Bottleneck() string {
	var name string
	best := int64(fullPercent - 1)
	for _, u := range m.Machines {
		for _, l := range u.Limits {
			if p := l.Percent(); p > best {
				best, name = p, fmt.Sprintf("%s: %s, %d%% used", u.Name, l.Name, p)
			}
		}
	}
	if name != "" {
		return name
	}
	// A limit can hold back without being used up on average: IOPS of bursts.
	var longest time.Duration
	for _, u := range m.Machines {
		for _, h := range u.Held {
			if h.For > longest && h.For > m.Window/2 {
				longest, name = h.For, fmt.Sprintf("%s: %s", u.Name, h.Limit)
			}
		}
	}
	return name
}
