package linearizability

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

// Sharing is what a member of a share group was given of a partition or, with Said,
// what it said of it (KIP-932).
type Sharing struct {
	Group     string        `json:"group"`
	Topic     string        `json:"topic"`
	Partition int32         `json:"partition"`
	Process   int64         `json:"process"` // the member
	Call      time.Duration `json:"call"`    // when it asked, or said so
	Return    time.Duration `json:"return"`  // when it was answered
	Runs      []Run         `json:"runs"`

	// Said is "accept", "reject" or "release", "" of what was given. Kept says that the
	// broker answered that it keeps that; otherwise it may or may not.
	Said string `json:"said,omitempty"`
	Kept bool   `json:"kept,omitempty"`
}

// final reports whether what was said ends the delivery of the records.
func (s *Sharing) final() bool { return s.Kept && (s.Said == "accept" || s.Said == "reject") }

// shared is what one share group was given and said of a partition, each by time.
type shared struct {
	group       string
	given, said []*Sharing
}

// shares are the share groups of a partition, by name.
func (c *court) shares(p *partition) []*shared {
	by := map[string]*shared{}
	for i := range c.h.Sharings {
		s := &c.h.Sharings[i]
		if s.Topic != p.tp.Topic || s.Partition != p.tp.Partition {
			continue
		}
		g := by[s.Group]
		if g == nil {
			g = &shared{group: s.Group}
			by[s.Group] = g
		}
		if s.Said == "" {
			g.given = append(g.given, s)
		} else {
			g.said = append(g.said, s)
		}
	}
	all := make([]*shared, 0, len(by))
	for _, g := range by {
		slices.SortStableFunc(g.given, func(a, b *Sharing) int { return cmp.Compare(a.Call, b.Call) })
		slices.SortStableFunc(g.said, func(a, b *Sharing) int { return cmp.Compare(a.Return, b.Return) })
		all = append(all, g)
	}
	slices.SortFunc(all, func(a, b *shared) int { return cmp.Compare(a.group, b.group) })
	return all
}

// shareLoss is a permitted loss that may have taken what a share group knew of a
// partition: of any of the partitions in which that is kept, since the history does
// not say which it was, or of the partition itself, where other records have come to
// stand at the offsets.
func (c *court) shareLoss(p *partition) *ruling {
	return c.lossOf(append(coordinators(c.parts, ShareStateTopic), p), 0)
}

// ShareStateTopic is where share coordinators keep their state.
const ShareStateTopic = "__share_group_state"

// finished is K18: a record that a member has accepted or rejected, and was answered
// that this is kept, is given to nobody of the share group who asks after that.
func (c *court) finished(p *partition) {
	for _, g := range c.shares(p) {
		said := map[int64]*Sharing{}
		next := 0
		for _, give := range g.given {
			for ; next < len(g.said) && g.said[next].Return < give.Call; next++ {
				if s := g.said[next]; s.final() {
					for _, r := range s.Runs {
						for i := range r.Count {
							if said[r.Offset+i] == nil {
								said[r.Offset+i] = s
							}
						}
					}
				}
			}
			for _, r := range give.Runs {
				for i := range r.Count {
					c.cur.Inputs++
					s := said[r.Offset+i]
					if s == nil {
						continue
					}
					if loss := c.shareLoss(p); loss != nil {
						c.excused(p, r.Offset+i, loss.reason)
						continue
					}
					c.found(p, 0, r.Offset+i, give.Return, fmt.Sprintf("client %d was given offset %d of %s at %s, of which client %d had been told at %s that share group %s keeps its %s",
						give.Process, r.Offset+i, p.tp, clock(give.Return), s.Process, clock(s.Return), g.group, s.Said))
				}
			}
		}
	}
}

// sharedStay is K5 for share groups: what a member was given is in the log.
func (c *court) sharedStay(p *partition) {
	if p.topic.Keys > 0 {
		return // records go by their keys
	}
	for _, g := range c.shares(p) {
		for _, give := range g.given {
			for _, r := range give.Runs {
				for i := range r.Count {
					c.cur.Inputs++
					offset, value := r.Offset+i, r.at(i)
					if value == None || p.log.holds(p.topic, offset, value) {
						continue
					}
					if loss := c.lossOf([]*partition{p}, 0); loss != nil {
						c.excused(p, offset, loss.reason)
						continue
					}
					c.found(p, 0, offset, give.Return, fmt.Sprintf("client %d of share group %s was given value %d at offset %d of %s at %s, but %s",
						give.Process, g.group, value, offset, p.tp, clock(give.Return), p.log.describe(offset)))
				}
			}
		}
	}
}

// unshared is K10 for share groups, which begin at the start of the log: an
// acknowledged record that is in the log was given to somebody of each.
func (c *court) unshared(p *partition) {
	if p.topic.Keys > 0 || !slices.Contains(c.h.Manifest.Shared, p.tp.Topic) {
		return
	}
	groups := c.shares(p)
	if len(groups) == 0 {
		groups = []*shared{{group: "?"}}
	}
	for _, g := range groups {
		var polls []poll
		for _, give := range g.given {
			polls = append(polls, poll{runs: give.Runs})
		}
		given := offsetsRead(polls)
		for _, b := range p.sends {
			if b.Outcome != OK || b.Offset == None || b.Acks != -1 {
				continue
			}
			for _, r := range b.Runs {
				gone := map[int64]bool{}
				p.log.missing(p.topic, r, func(i int64) { gone[r.Offset+i] = true })
				eachRun(given, r, func(piece Run, in *ScanRun, _ int64) {
					for i := range piece.Count {
						offset := piece.Offset + i
						if offset < p.log.LogStart || gone[offset] || !p.log.fate(offset).visible() {
							continue
						}
						if c.cur.Inputs++; in != nil {
							continue
						}
						if loss := c.shareLoss(p); loss != nil {
							c.excused(p, offset, loss.reason)
							continue
						}
						c.found(p, 0, offset, b.Return, fmt.Sprintf("offset %d of %s was acknowledged at %s and is in the log, but nobody of share group %s was ever given it",
							offset, p.tp, clock(b.Return), g.group))
					}
				})
			}
		}
	}
}
