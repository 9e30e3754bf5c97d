package story

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/weirlab/weir/linearizability"
)

// Bounds of what an explanation keeps.
const (
	mostMessages  = 60
	mostAlike     = 3 // messages that only say that something is wrong
	mostSightings = 3000
	mostTicks     = 1500 // sightings of records that come, outside of what matters
	around        = 500 * time.Millisecond
)

// span is when what a story tells began and ended.
func (s *Story) span() (from, to time.Duration) {
	if len(s.Steps) == 0 {
		return 0, 0
	}
	from, to = s.Steps[0].At, s.Steps[0].At
	for _, step := range s.Steps[:len(s.Steps)-1] { // the last is the judge's
		from, to = min(from, step.At), max(to, step.At)
	}
	return from, to
}

// Explain is a case with its story, and with the evidence that the story rests
// on.
func Explain(c Case) *Explanation {
	e := &Explanation{Schema: Schema, Finding: c.Finding, Signature: c.Finding.Signature(), Story: Tell(c)}
	from, to := e.Story.span()
	e.Messages = matter(c.Messages, &e.Story, from-around, to+around)
	e.Replicas = thinned(c.Replicas, from-around, to+around)
	return e
}

// matter are the messages that a story rests on.
func matter(all []Message, s *Story, from, to time.Duration) []Message {
	type ranked struct {
		Message
		rank int
	}
	var kept []ranked
	alike := map[string]int{}    // of messages that only show trouble
	first := map[string]bool{}   // who has asked for what is behind the record
	last := map[string]Message{} // Produce request
	for _, m := range all {
		if m.API == "Produce" && !m.Answer {
			last[m.From+m.To] = m
		}
		if m.Sent < from || m.Sent > to {
			continue
		}
		late := m.Arrived == Never || m.Arrived-m.Sent > overdue
		rank := 0
		switch {
		case m.API == "AlterPartition", m.API == "OffsetForLeaderEpoch", m.Diverging:
			rank = 5
		case s.Offset == linearizability.None:
		case m.API == "Produce" && m.Answer && m.Offset == s.Offset:
			rank = 5
			if asked, ok := last[m.To+m.From]; ok {
				kept = append(kept, ranked{asked, rank})
			}
		case m.API == "Fetch" && m.Answer && m.Offset != linearizability.None && m.Offset <= s.Offset && m.End > s.Offset:
			rank = 4
		case m.API == "Fetch" && !m.Answer && m.Offset > s.Offset && !first[m.From+m.To]:
			first[m.From+m.To] = true
			rank = 4
		case m.API == "Fetch" && m.Answer && m.High > s.Offset && late:
			rank = 3
		}
		if rank == 0 && late {
			rank = 2
		}
		if rank == 0 && m.Error != "" {
			rank = 1
		}
		if rank == 1 || rank == 2 {
			key := fmt.Sprint(m.API, m.Answer, m.From, m.To, m.Error)
			if alike[key]++; alike[key] > mostAlike {
				rank = 0
			}
		}
		if rank > 0 {
			kept = append(kept, ranked{m, rank})
		}
	}
	slices.SortStableFunc(kept, func(a, b ranked) int { return cmp.Compare(b.rank, a.rank) })
	kept = kept[:min(len(kept), mostMessages)]
	messages := make([]Message, len(kept))
	for i, k := range kept {
		messages[i] = k.Message
	}
	slices.SortStableFunc(messages, func(a, b Message) int { return cmp.Compare(a.Sent, b.Sent) })
	return messages
}

// thinned leaves out sightings that only show records coming, evenly and first
// where the story does not play.
func thinned(all []Sighting, from, to time.Duration) []Sighting {
	before := map[int32]*Sighting{}
	turn := make([]bool, len(all)) // more than records that come
	inside, outside := 0, 0
	for i := range all {
		s := &all[i]
		b := before[s.Broker]
		turn[i] = b == nil || b.Up != s.Up || b.Leader != s.Leader || b.LeaderEpoch != s.LeaderEpoch || s.End < b.End || s.Start != b.Start || !slices.Equal(b.ISR, s.ISR)
		before[s.Broker] = s
		switch {
		case turn[i]:
		case s.At >= from && s.At <= to:
			inside++
		default:
			outside++
		}
	}
	everyIn, everyOut := inside/mostSightings+1, outside/mostTicks+1
	var kept []Sighting
	in, out := 0, 0
	for i, s := range all {
		keep := turn[i]
		switch {
		case keep:
		case s.At >= from && s.At <= to:
			in++
			keep = in%everyIn == 0
		default:
			out++
			keep = out%everyOut == 0
		}
		if keep {
			kept = append(kept, s)
		}
	}
	return kept
}
