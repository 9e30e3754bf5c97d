package shrink

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"

	"github.com/weirlab/weir/workloads/scenario"
)

// pass is one way to make plans smaller.
type pass struct {
	doing string
	run   func(*search)
}

// passes are ordered so that what makes a run shorter comes first.
func passes() []pass {
	return []pass{
		{"making the load shorter", shorter},
		{"leaving out faults", func(s *search) { s.leaveOut(entries("faults", "plan")) }},
		{"leaving out programs", func(s *search) { s.leaveOut(programs) }},
		{"leaving out topics", topics},
		{"leaving out partitions", partitions},
		{"leaving out clients", func(s *search) { s.smaller("count") }},
		{"leaving out brokers", brokers},
		{"leaving out replicas", func(s *search) { s.smaller("replication.factor") }},
		{"sending less", func(s *search) { s.smaller("rate", "record-size", "ramp-from") }},
		{"making the schedule plain", plain},
		{"leaving out settings", func(s *search) { s.leaveOut(optional) }},
		{"leaving out parts of faults", func(s *search) { s.leaveOut(partsOfFaults) }},
		{"waiting for less", delays},
		{"moving faults to the front", moved},
		{"making times round", roundTimes},
		{"making numbers round", func(s *search) { s.smaller() }},
	}
}

// Paths that say what the plan is, not what it does.
var head = []string{"name", "question", "seed", "recovery"}

// entries lists those of a list.
func entries(list ...string) func(*candidate) []path {
	return func(c *candidate) []path {
		n := at(c.root, list...)
		if n == nil || n.Kind != yaml.SequenceNode {
			return nil
		}
		var all []path
		for i := range n.Content {
			all = append(all, append(slices.Clone(list), strconv.Itoa(i)))
		}
		return all
	}
}

// programs are those of the short form and of the list.
func programs(c *candidate) []path {
	var all []path
	load := at(c.root, "load")
	if load == nil {
		return nil
	}
	for i := 0; i+1 < len(load.Content); i += 2 {
		if load.Content[i+1].Kind == yaml.MappingNode && value(load.Content[i+1], "count") != nil {
			all = append(all, path{"load", load.Content[i].Value})
		}
	}
	return append(all, entries("load", "programs")(c)...)
}

// optional are keys that a file may lack: every key below the root's that is
// not one of a list's entries.
func optional(c *candidate) []path {
	var all []path
	walk(c.root, func(p path, n *yaml.Node) {
		if slices.Contains(head, p[0]) || p[0] == "faults" && len(p) > 1 && p[1] == "plan" {
			return
		}
		if _, err := strconv.Atoi(p[len(p)-1]); err == nil || n.Kind != yaml.ScalarNode || slices.Equal(p, path{"cluster", "brokers"}) {
			return // without a number of brokers there are three
		}
		if n.Value == scenario.ScheduleFIFO && p[0] == "simulation" {
			return // it is plainer than none
		}
		all = append(all, p)
	})
	return all
}

// partsOfFaults are what a fault may lack: keys, and brokers of its sides.
func partsOfFaults(c *candidate) []path {
	var all []path
	walk(c.root, func(p path, n *yaml.Node) {
		if p[0] == "faults" && len(p) > 3 && !slices.Contains([]string{"kind", "at", "for"}, p[len(p)-1]) {
			all = append(all, p)
		}
	})
	return all
}

// leaveOut is delta debugging: it takes away as many of the things that list
// finds as it can, first all at once, then in ever smaller pieces.
func (s *search) leaveOut(list func(*candidate) []path) {
	for size := len(list(s.best)); size > 0; size /= 2 {
		for from := 0; !s.over(); {
			all := list(s.best)
			var edits []edit
			for i := from; i < len(all); i += size {
				edits = append(edits, dropAll(all[i:min(i+size, len(all))]))
			}
			kept := s.first(edits)
			if kept < 0 {
				break
			}
			from += kept * size
		}
	}
}

// plain takes away how the simulation goes about it, and then has tasks run in
// the order in which they can: such a plan depends on no order that was drawn.
func plain(s *search) {
	const simulation, schedule = "simulation", "schedule"
	if text(at(s.best.root, simulation, schedule)) != scenario.ScheduleFIFO {
		s.first([]edit{dropAll([]path{{simulation}})})
	}
	s.first([]edit{func(root *yaml.Node) bool {
		if at(root, simulation, schedule) != nil {
			return set(path{simulation, schedule}, scenario.ScheduleFIFO)(root)
		}
		word := func(text string) *yaml.Node { return &yaml.Node{Kind: yaml.ScalarNode, Value: text} }
		in := at(root, simulation)
		if in == nil {
			in = &yaml.Node{Kind: yaml.MappingNode}
			root.Content = append(root.Content, word(simulation), in)
		}
		in.Content = append(in.Content, word(schedule), word(scenario.ScheduleFIFO))
		return true
	}})
}

// shorter cuts the end off the load, with the faults that come later.
func shorter(s *search) {
	s.repeat(func(c *candidate) []edit {
		length := c.plan.Load.Duration.Value()
		var edits []edit
		for _, eighths := range []time.Duration{1, 2, 3, 4, 5, 6, 7} {
			edits = append(edits, cutTo(length*eighths/8))
		}
		return edits
	})
}

// cutTo ends the load, and leaves out what faults there are behind that.
func cutTo(length time.Duration) edit {
	length = roundUp(length)
	return func(root *yaml.Node) bool {
		set(path{"load", "duration"}, length.String())(root)
		if plan := at(root, "faults", "plan"); plan != nil {
			plan.Content = slices.DeleteFunc(plan.Content, func(f *yaml.Node) bool {
				begins, err := duration(value(f, "at"))
				lasts, err2 := duration(value(f, "for"))
				return err == nil && err2 == nil && begins+lasts > length
			})
			tidy(root)
		}
		return true
	}
}

// tidy takes away what is empty: a list without entries is no list.
func tidy(root *yaml.Node) {
	if plan := at(root, "faults", "plan"); plan != nil && len(plan.Content) == 0 {
		drop(root, path{"faults"})
	}
}

func duration(n *yaml.Node) (time.Duration, error) {
	if n == nil {
		return 0, fmt.Errorf("absent")
	}
	return time.ParseDuration(n.Value)
}

// roundUp is d in steps that a person would use.
func roundUp(d time.Duration) time.Duration {
	step := time.Second
	if d <= time.Second {
		step = 100 * time.Millisecond
	}
	return (d + step - 1) / step * step
}

// topics leaves out topics, with the programs and faults that need them.
func topics(s *search) {
	s.each(func(c *candidate) int { return len(c.plan.Topics) }, func(c *candidate, n int) []edit {
		name := c.plan.Topics[n].Name
		return []edit{func(root *yaml.Node) bool {
			if list := at(root, "load", "programs"); list != nil {
				list.Content = slices.DeleteFunc(list.Content, func(program *yaml.Node) bool {
					return len(program.Content) == 2 && text(value(program.Content[1], "topic")) == name
				})
			}
			dropFaults(root, func(word string) bool { return partitionOf(word, name) >= 0 })
			return drop(root, path{"topics", strconv.Itoa(n)})
		}}
	})
}

func text(n *yaml.Node) string {
	if n == nil {
		return ""
	}
	return n.Value
}

// dropFaults leaves out the faults that name what cannot be named any more.
func dropFaults(root *yaml.Node, gone func(word string) bool) {
	plan := at(root, "faults", "plan")
	if plan == nil {
		return
	}
	plan.Content = slices.DeleteFunc(plan.Content, func(f *yaml.Node) bool {
		names := false
		walk(f, func(p path, n *yaml.Node) {
			names = names || n.Kind == yaml.ScalarNode && p[0] != "kind" && slices.ContainsFunc(strings.Fields(n.Value), gone)
		})
		return names
	})
	tidy(root)
}

// partitionOf is the number of the partition of a topic that a word is
// ("orders-3"), -1 if it is none.
func partitionOf(word, topic string) int {
	number, ok := strings.CutPrefix(word, topic+"-")
	n, err := strconv.Atoi(number)
	if !ok || err != nil {
		return -1
	}
	return n
}

// partitions makes topics have fewer, and renames those that faults name.
func partitions(s *search) {
	paths := func(c *candidate) []path {
		if c.plan.Topic.Name != "" {
			return []path{{"topic"}}
		}
		return entries("topics")(c)
	}
	s.each(func(c *candidate) int { return len(paths(c)) }, func(c *candidate, n int) []edit {
		where := paths(c)[n]
		name := text(value(at(c.root, where...), "name"))
		have, _ := strconv.ParseInt(text(value(at(c.root, where...), "partitions")), 10, 64)
		var edits []edit
		for _, count := range below(have, false) {
			edits = append(edits, together(set(append(slices.Clone(where), "partitions"), strconv.FormatInt(count, 10)), renameInFaults(func(word string) string {
				if p := partitionOf(word, name); p >= 0 {
					return fmt.Sprintf("%s-%d", name, p%int(count))
				}
				return word
			})))
		}
		return edits
	})
}

// renameInFaults changes the words that faults name brokers and partitions by
// ("leader of orders-3", "election of orders-3 +30ms").
func renameInFaults(rename func(string) string) edit {
	return func(root *yaml.Node) bool {
		plan := at(root, "faults", "plan")
		if plan == nil {
			return false
		}
		changed := false
		walk(plan, func(p path, n *yaml.Node) {
			if n.Kind != yaml.ScalarNode || len(p) > 1 && p[1] == "kind" {
				return
			}
			words := strings.Fields(n.Value)
			for i := range words {
				words[i] = rename(words[i])
			}
			if to := strings.Join(words, " "); to != n.Value {
				n.Value, changed = to, true
			}
		})
		return changed
	}
}

// brokers leaves out the last ones, and as many replicas as there are too many.
// A fault on a broker that is gone is left out, or strikes the first one.
func brokers(s *search) {
	s.repeat(func(c *candidate) []edit {
		have := int64(len(c.plan.BrokerNames()))
		var edits []edit
		for _, count := range below(have, false) {
			fewer := together(set(path{"cluster", "brokers"}, strconv.FormatInt(count, 10)), func(root *yaml.Node) bool {
				walk(root, func(p path, n *yaml.Node) {
					if p[len(p)-1] == "replication.factor" {
						if rf, err := strconv.ParseInt(n.Value, 10, 64); err == nil && rf > count {
							n.Value = strconv.FormatInt(count, 10)
						}
					}
				})
				return true
			})
			gone := func(word string) bool {
				number, ok := strings.CutPrefix(word, "broker-")
				n, err := strconv.ParseInt(number, 10, 64)
				return ok && err == nil && n > count
			}
			edits = append(edits, together(fewer, renameInFaults(func(word string) string {
				if gone(word) {
					n, _ := strconv.ParseInt(strings.TrimPrefix(word, "broker-"), 10, 64)
					return fmt.Sprintf("broker-%d", (n-1)%count+1)
				}
				return word
			})), together(fewer, func(root *yaml.Node) bool {
				walk(root, func(p path, n *yaml.Node) { // sides of partitions lose it
					if n.Kind == yaml.SequenceNode && p[0] == "faults" && len(p) > 3 && len(n.Content) > 1 {
						n.Content = slices.DeleteFunc(n.Content, func(side *yaml.Node) bool { return gone(side.Value) })
					}
				})
				dropFaults(root, gone)
				return true
			}))
		}
		return edits
	})
}

// smaller makes the numbers under some keys, or all numbers if no key is named,
// smaller or rounder.
func (s *search) smaller(keys ...string) {
	numbers := func(c *candidate) []path {
		var all []path
		walk(c.root, func(p path, n *yaml.Node) {
			last := p[len(p)-1]
			if slices.Contains(head, p[0]) || slices.Contains(p, "properties") || slices.Contains(p, "configs") || n.Kind != yaml.ScalarNode {
				return
			}
			if _, err := strconv.ParseInt(n.Value, 10, 64); err == nil && (len(keys) == 0 || slices.Contains(keys, last)) {
				all = append(all, p)
			}
		})
		return all
	}
	s.each(func(c *candidate) int { return len(numbers(c)) }, func(c *candidate, n int) []edit {
		p := numbers(c)[n]
		have, _ := strconv.ParseInt(at(c.root, p...).Value, 10, 64)
		var edits []edit
		for _, v := range below(have, true) {
			edits = append(edits, set(p, strconv.FormatInt(v, 10)))
		}
		return edits
	})
}

// below are numbers smaller than n that are worth a try, the smallest first;
// with round also the one that n is rounded to.
func below(n int64, round bool) []int64 {
	var all []int64
	add := func(v int64) {
		if v >= 1 && v < n && !slices.Contains(all, v) {
			all = append(all, v)
		}
	}
	for _, v := range []int64{1, 2, 3, n / 16, n / 8, n / 4, n / 2, n - 1} {
		if round && v > 10 {
			v = roundDown(v)
		}
		add(v)
	}
	if round && n > 10 {
		add(roundDown(n))
	}
	slices.Sort(all)
	return all
}

// roundDown keeps the first digit.
func roundDown(n int64) int64 {
	unit := int64(1)
	for n/unit >= 10 {
		unit *= 10
	}
	return n / unit * unit
}

// moved brings all faults nearer to the start, their distances kept, and the
// end of the load with them.
func moved(s *search) {
	s.repeat(func(c *candidate) []edit {
		plan := c.plan.Faults.Plan
		if len(plan) == 0 {
			return nil
		}
		first := plan[0].At
		for _, f := range plan {
			first = min(first, f.At)
		}
		var edits []edit
		for _, to := range []time.Duration{time.Second, 2 * time.Second, 5 * time.Second, first / 2, first * 3 / 4} {
			to = to.Truncate(finest)
			if by := first - to; by > 0 {
				shift := edit(func(root *yaml.Node) bool {
					for i := range plan {
						set(path{"faults", "plan", strconv.Itoa(i), "at"}, (plan[i].At - by).String())(root)
					}
					return true
				})
				edits = append(edits, together(shift, set(path{"load", "duration"}, max(c.plan.Load.Duration.Value()-by, time.Second).String())), shift)
			}
		}
		return edits
	})
}

// roundTimes makes each time of the plan rounder, and what lasts shorter.
func roundTimes(s *search) {
	times := func(c *candidate) []path {
		var all []path
		walk(c.root, func(p path, n *yaml.Node) {
			if _, err := duration(n); err == nil && n.Kind == yaml.ScalarNode && n.Value != "0" && !slices.Contains(head, p[0]) {
				all = append(all, p)
			}
		})
		return all
	}
	s.each(func(c *candidate) int { return len(times(c)) }, func(c *candidate, n int) []edit {
		p := times(c)[n]
		have, _ := duration(at(c.root, p...))
		var edits []edit
		seen := map[time.Duration]bool{have: true}
		add := func(d time.Duration) {
			if d >= finest && d < have && !seen[d] {
				seen[d] = true
				edits = append(edits, set(p, d.String()))
			}
		}
		if last := p[len(p)-1]; last == "for" || last == "duration" || last == "delay" {
			for _, parts := range []time.Duration{8, 4, 2} {
				add((have / parts).Truncate(unitOf(have / parts)))
			}
		}
		add(have.Truncate(unitOf(have)))
		add(have.Truncate(unitOf(have) / 10))
		add(have.Truncate(unitOf(have) / 100))
		return edits
	})
}

// finest is the shortest time that is worth making something this short.
const finest = 10 * time.Millisecond

// delays makes a fault that waits for an event strike at once after it, or after
// a rounder time.
func delays(s *search) {
	s.each(func(c *candidate) int { return len(c.plan.Faults.Plan) }, func(c *candidate, n int) []edit {
		p := path{"faults", "plan", strconv.Itoa(n), "after"}
		event, delay, waits := strings.Cut(text(at(c.root, p...)), " +")
		have, err := time.ParseDuration(delay)
		if !waits || err != nil {
			return nil
		}
		edits := []edit{set(p, event)}
		for _, d := range []time.Duration{have.Truncate(unitOf(have)), have.Truncate(time.Millisecond)} {
			if d > 0 && d < have {
				edits = append(edits, set(p, event+" +"+d.String()))
			}
		}
		return edits
	})
}

// unitOf is the largest power of ten of a nanosecond that is not above d, and
// not too fine to be read.
func unitOf(d time.Duration) time.Duration {
	unit := time.Duration(1)
	for d/unit >= 10 {
		unit *= 10
	}
	return max(unit, 10*finest)
}
