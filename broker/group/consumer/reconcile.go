package consumer

import (
	"slices"

	"github.com/weirlab/weir/broker/metadata"
	"github.com/weirlab/weir/env/planted"
)

// reconciliation leads a member one step towards its target, if it can go one.
// Whether it can depends on what it says that it owns, and on what others own.
//
//	       gives up nothing, or has ┌─────────────── gets all ──▶ Stable
//	any ───────────────────────────▶│
//	 │                              └── others own some of it ──▶ Unreleased
//	 └── has to give up, and has not ───────────────────────────▶ Unrevoked
//
// It stays in its epoch for as long as it is Unrevoked, and else is in that of the
// target.
type reconciliation struct {
	g          *Group
	m          *Member
	epoch      int32 // of the target
	target     []Partition
	subscribed map[metadata.TopicID]bool
	changed    bool // the member has just changed its subscription
	owns       []Partition
	says       bool // the member has said what it owns
}

// next is how far the member is then.
func (r *reconciliation) next() Current {
	switch m := r.m; {
	case m.State == Stable && m.Epoch == r.epoch && r.changed, m.State == Unrevoked && r.ownsAny(m.Revoking) && r.changed:
		return r.unsubscribe()
	case m.State == Stable && m.Epoch == r.epoch, m.State == Unrevoked && r.ownsAny(m.Revoking):
		return m.Current
	}
	return r.advance()
}

// ownsAny reports whether the member owns any of a list, as far as it has said.
func (r *reconciliation) ownsAny(list []Owned) bool {
	if !r.says {
		return true
	}
	return slices.ContainsFunc(r.owns, func(p Partition) bool {
		_, found := ownedAt(list, p)
		return found
	})
}

// unsubscribe takes from the member what it is no longer subscribed to.
func (r *reconciliation) unsubscribe() Current {
	c := r.m.Current
	var kept, gone []Owned
	for _, o := range c.Assigned {
		if r.subscribed[o.Topic] {
			kept = append(kept, o)
		} else {
			gone = append(gone, o)
		}
	}
	if len(gone) == 0 {
		return c
	}
	revoking := slices.Concat(c.Revoking, gone)
	sortOwned(revoking)
	c = c.at(c.Epoch)
	if c.Assigned = kept; r.ownsAny(revoking) {
		c.State, c.Revoking = Unrevoked, revoking
	}
	return c
}

// advance goes as far as it can.
func (r *reconciliation) advance() Current {
	var kept, revoking, gained []Owned
	for _, o := range r.m.Assigned {
		if contains(r.target, o.Partition) && r.subscribed[o.Topic] {
			kept = append(kept, o)
		} else {
			revoking = append(revoking, o)
		}
	}
	state := Stable
	for _, p := range r.target {
		if _, has := ownedAt(kept, p); has || !r.subscribed[p.Topic] {
			continue
		}
		if owner := r.g.Owner(p); owner != "" && owner != r.m.ID && !planted.Is("assign-what-others-own") {
			state = Unreleased
			continue
		}
		gained = append(gained, Owned{p, r.epoch})
	}
	if len(revoking) > 0 && r.ownsAny(revoking) {
		c := r.m.at(r.m.Epoch)
		c.State, c.Assigned, c.Revoking = Unrevoked, kept, revoking
		return c
	}
	c := r.m.at(r.epoch)
	c.State, c.Assigned, c.Revoking = state, slices.Concat(kept, gained), nil
	sortOwned(c.Assigned)
	return c
}
