package reports

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/weirlab/weir/linearizability"
	"github.com/weirlab/weir/reports/drawing"
)

// number writes an integer with thousands separated.
func number(v int64) string {
	s := strconv.FormatInt(v, 10)
	sign := ""
	if v < 0 {
		sign, s = "-", s[1:]
	}
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return sign + s
}

func count(n int64, one string) string {
	if n == 1 {
		return "1 " + one
	}
	return number(n) + " " + one + "s"
}

// seconds writes a duration for people.
func seconds(d time.Duration) string {
	switch {
	case d >= 10*time.Minute:
		return d.Round(time.Second).String()
	case d >= 100*time.Second:
		return fmt.Sprintf("%.0f s", d.Seconds())
	case d >= time.Second:
		return fmt.Sprintf("%.1f s", d.Seconds())
	}
	return drawing.Milliseconds(inMillis(int64(d)))
}

// bytesText writes a size with decimal prefixes.
func bytesText(n int64) string {
	switch {
	case n >= 1e9:
		return fmt.Sprintf("%.1f GB", float64(n)/1e9)
	case n >= 1e6:
		return fmt.Sprintf("%.1f MB", float64(n)/1e6)
	case n >= 1e3:
		return fmt.Sprintf("%.1f kB", float64(n)/1e3)
	}
	return fmt.Sprintf("%d B", n)
}

func statusWord(r *Run) string {
	switch {
	case r.Verdict.Status == linearizability.Failed:
		return "Failed"
	case !r.Complete:
		return "Cut short"
	case r.Verdict.Status == linearizability.Unknown:
		return "Not proven"
	case r.Rerun == "different":
		return "Not deterministic"
	}
	return "Passed"
}

// sentence is the verdict in one sentence.
func (r *result) sentence() string {
	run, v := r.run, &r.run.Verdict
	switch statusWord(run) {
	case "Failed":
		what := "one broken promise"
		if n := len(v.Findings); n != 1 {
			what = fmt.Sprintf("%d broken promises", n)
		}
		if len(run.Planted) > 0 {
			return fmt.Sprintf("The judge found %s with a planted bug switched on: %s.", what, strings.Join(run.Planted, ", "))
		}
		return fmt.Sprintf("The judge found %s %s.", what, r.through("under"))
	case "Cut short":
		why := run.Interrupted
		if why == "" {
			why = "nobody noted why"
		}
		return fmt.Sprintf("The run did not come to its end (%s). What was seen until then is below.", why)
	case "Not proven":
		return "No promise was seen broken, but " + unproved(v) + "."
	case "Not deterministic":
		return "Every check passed, but the same seed gave a different trace when run again."
	}
	n := r.acknowledged()
	if n == 0 {
		return fmt.Sprintf("No promise was broken %s.", r.through("under"))
	}
	if lost := r.excusedRecords(); lost > 0 {
		return fmt.Sprintf("Every promise was kept %s: %s of %s survived, and the loss of the other %s is permitted.",
			r.through("through"), number(n-lost), count(n, "acknowledged record"), number(lost))
	}
	return fmt.Sprintf("Every promise was kept %s: all %s survived.", r.through("through"), count(n, "acknowledged record"))
}

// unproved says how many checks are open, and what the first of them lacks.
// The checks say the rest, each for itself.
func unproved(v *linearizability.Verdict) string {
	var open []linearizability.Check
	for _, k := range v.Checks {
		if k.Status == linearizability.Unknown {
			open = append(open, k)
		}
	}
	if len(open) == 0 {
		return "not everything was proved"
	}
	text := fmt.Sprintf("“%s” could not be answered", open[0].Name)
	if len(open) > 1 {
		text = fmt.Sprintf("%d of %d checks could not be answered, “%s” first", len(open), len(v.Checks), open[0].Name)
	}
	if open[0].Note != "" {
		text += ": " + open[0].Note
	}
	return text
}

// excuses are the losses that were permitted, each once, whichever checks met
// it.
func excuses(v *linearizability.Verdict) []linearizability.Excuse {
	var all []linearizability.Excuse
next:
	for _, e := range v.Excused {
		for i := range all {
			o := &all[i]
			if o.Topic == e.Topic && o.Partition == e.Partition && o.Reason == e.Reason {
				if !slices.Contains(strings.Split(o.Code, ", "), e.Code) {
					o.Code += ", " + e.Code
				}
				o.First, o.Last, o.Count = min(o.First, e.First), max(o.Last, e.Last), max(o.Count, e.Count)
				continue next
			}
		}
		all = append(all, e)
	}
	return all
}

// excusedRecords is how many acknowledged records are gone with permission.
func (r *result) excusedRecords() int64 {
	for _, k := range r.run.Verdict.Checks {
		if k.Code == "K2" {
			return k.Excused
		}
	}
	return 0
}

// acknowledged is how many acknowledged records the judge looked for.
func (r *result) acknowledged() int64 {
	for _, k := range r.run.Verdict.Checks {
		if k.Code == "K2" {
			return k.Inputs
		}
	}
	return 0
}

// through lists the faults after a preposition: "through 1 leader crash, 1
// power loss and 2 partitions".
func (r *result) through(preposition string) string {
	if len(r.run.Faults) == 0 {
		return "in a run without faults"
	}
	var kinds []linearizability.FaultKind
	counts := map[linearizability.FaultKind]int{}
	for _, f := range r.run.Faults {
		if counts[f.Kind] == 0 {
			kinds = append(kinds, f.Kind)
		}
		counts[f.Kind]++
	}
	var parts []string
	for _, k := range kinds {
		name := strings.ReplaceAll(string(k), "-", " ")
		if n := counts[k]; n == 1 {
			parts = append(parts, "1 "+name)
		} else if strings.HasSuffix(name, "s") || strings.HasSuffix(name, "sh") {
			parts = append(parts, fmt.Sprintf("%d %ses", n, name))
		} else {
			parts = append(parts, fmt.Sprintf("%d %ss", n, name))
		}
	}
	list := parts[0]
	if n := len(parts); n > 1 {
		list = strings.Join(parts[:n-1], ", ") + " and " + parts[n-1]
	}
	return preposition + " " + list
}

// rate is what was acknowledged of the load, per second of it, and over which
// seconds that is. ok is false if it was not counted.
func (r *result) rate() (records, megabytes float64, over string, ok bool) {
	t := r.run.Throughput
	if t == nil || t.To <= t.From {
		return 0, 0, "", false
	}
	length := (t.To - t.From).Seconds()
	over = fmt.Sprintf("over the %s of load", seconds(t.To-t.From))
	if r.run.WarmUp > 0 {
		over += " after the warm-up"
	}
	if t.Late*100 >= t.Acked && t.Late > 0 {
		over += fmt.Sprintf("; %s of the %s were acknowledged after it", number(t.Late), number(t.Acked))
	}
	return float64(t.Acked) / length, float64(t.AckedBytes) / length / 1e6, over, true
}

// tiles are the figures that matter.
func (r *result) tiles() []pageTile {
	var tiles []pageTile
	if n, mb, over, ok := r.rate(); ok {
		more := over
		if mb > 0 {
			more = drawing.Trim(mb) + " MB/s " + over
		}
		tiles = append(tiles, pageTile{"acknowledged", drawing.SI(n), "records/s", more})
	}
	if h, _ := r.merged(TagProduce); h != nil && h.TotalCount() > 0 {
		for _, q := range []float64{50, 99, 99.9} {
			if tooDeep(h, q) {
				continue
			}
			v, unit, _ := strings.Cut(drawing.Milliseconds(inMillis(h.ValueAtPercentile(q))), " ")
			name := "p" + strconv.FormatFloat(q, 'f', -1, 64)
			tiles = append(tiles, pageTile{name + " produce", v, unit, ""})
		}
		v, unit, _ := strings.Cut(drawing.Milliseconds(inMillis(h.Max())), " ")
		tiles = append(tiles, pageTile{"max produce", v, unit, ""})
	}
	if n := r.acknowledged(); n > 0 {
		tiles = append(tiles, pageTile{"judged", number(n), "", "acknowledged records"})
	}
	run := r.run
	if run.Simulated() && run.WallTime > 0 {
		v, unit, _ := strings.Cut(seconds(run.ClusterTime), " ")
		tiles = append(tiles, pageTile{"simulated", v, unit, fmt.Sprintf("in %s: %s× real time", seconds(run.WallTime), drawing.Trim(run.ClusterTime.Seconds()/run.WallTime.Seconds()))})
		if run.Events > 0 {
			tiles = append(tiles, pageTile{"events", drawing.SI(float64(run.Events)), "", drawing.SI(float64(run.Events)/run.WallTime.Seconds()) + " a second"})
		}
	} else if run.WallTime > 0 {
		v, unit, _ := strings.Cut(seconds(run.WallTime), " ")
		tiles = append(tiles, pageTile{"took", v, unit, ""})
	}
	return tiles
}

// notices are what a reader must know before believing a figure.
func (r *result) notices() []string {
	var all []string
	if len(r.run.Planted) > 0 && r.run.Verdict.Status != linearizability.Failed {
		all = append(all, "A planted bug was switched on and not found in this run: "+strings.Join(r.run.Planted, ", ")+".")
	}
	if r.run.Simulated() {
		if unchecked := unchecked(r.run.Models); unchecked != "" {
			all = append(all, "Latencies and rates are simulated. They rest on figures that were never checked against hardware: "+unchecked+".")
		}
	}
	for _, c := range r.run.Validity {
		if !c.Met {
			all = append(all, "Not met: "+strings.TrimSuffix(c.Name+": "+c.Note, ": ")+".")
		}
	}
	if len(r.missing) > 0 {
		all = append(all, "Incomplete result directory: "+strings.Join(r.missing, "; ")+".")
	}
	return all
}

// unchecked lists the models that were never compared with hardware, those of
// one name together.
func unchecked(models []Model) string {
	var names []string
	whats := map[string][]string{}
	for _, m := range models {
		if m.Checked {
			continue
		}
		if whats[m.Name] == nil {
			names = append(names, m.Name)
		}
		whats[m.Name] = append(whats[m.Name], m.What)
	}
	for i, name := range names {
		names[i] = strings.Join(whats[name], ", ") + " (" + name + ")"
	}
	return strings.Join(names, "; ")
}
