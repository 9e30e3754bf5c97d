package state

import (
	"cmp"
	"container/heap"
	"slices"

	"github.com/weirlab/weir/broker/share"
)

// Combine lays batches over others, of the offsets from start on, or of all if start is
// [share.Uninitialized]. Where they overlap the record counts that has been delivered
// more often, or that is further on if they were delivered equally often. Both lists
// may come in any order, and overlap in themselves. The result is ascending and
// disjoint, without two neighbours that could be one; it shares no memory with them.
func Combine(known, more []share.Batch, start int64) []share.Batch {
	list := make([]share.Batch, 0, len(known)+len(more))
	for _, from := range [...][]share.Batch{known, more} {
		for _, b := range from {
			if start != share.Uninitialized {
				b.First = max(b.First, start)
			}
			if b.First <= b.Last {
				list = append(list, b)
			}
		}
	}
	slices.SortFunc(list, func(a, b share.Batch) int { return cmp.Compare(a.First, b.First) })
	var out []share.Batch
	var open open // that cover at, and some that have ended
	for at := int64(0); len(list) > 0 || len(open) > 0; {
		if len(open) == 0 {
			at = list[0].First
		}
		for len(list) > 0 && list[0].First <= at {
			heap.Push(&open, list[0])
			list = list[1:]
		}
		top := open[0]
		if top.Last < at {
			heap.Pop(&open)
			continue
		}
		end := top.Last
		if len(list) > 0 {
			end = min(end, list[0].First-1)
		}
		if n := len(out); n > 0 && out[n-1].Last == at-1 && alike(out[n-1], top) {
			out[n-1].Last = end
		} else {
			out = append(out, share.Batch{First: at, Last: end, State: top.State, DeliveryCount: top.DeliveryCount})
		}
		at = end + 1
	}
	return out
}

func alike(a, b share.Batch) bool { return rank(a, b) == 0 }

// rank orders batches by which of them counts.
func rank(a, b share.Batch) int {
	return cmp.Or(cmp.Compare(a.DeliveryCount, b.DeliveryCount), cmp.Compare(a.State, b.State))
}

// open is a heap of batches, the one that counts first.
type open []share.Batch

func (o open) Len() int           { return len(o) }
func (o open) Less(i, j int) bool { return rank(o[i], o[j]) > 0 }
func (o open) Swap(i, j int)      { o[i], o[j] = o[j], o[i] }
func (o *open) Push(b any)        { *o = append(*o, b.(share.Batch)) }

func (o *open) Pop() any {
	last := (*o)[len(*o)-1]
	*o = (*o)[:len(*o)-1]
	return last
}
