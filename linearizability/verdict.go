package linearizability

import (
	"fmt"
	"slices"
	"time"
)

// Status is the outcome of a check or of a whole run.
type Status string

const (
	Pass    Status = "pass"
	Failed  Status = "fail"
	Unknown Status = "unknown" // evidence is missing, or a budget ran out
	// Skipped: the check needs what the run or its target has none of.
	Skipped Status = "skipped"
)

// Verdict is what the judge found.
type Verdict struct {
	Status Status `json:"status"`
	// Recording says how much of the run the judge had before it, "" if all.
	Recording string    `json:"recording,omitempty"`
	Findings  []Finding `json:"findings,omitempty"`
	// Excused are losses that the faults of the run permitted.
	Excused []Excuse `json:"excused,omitempty"`
	// Checks lists every check performed with what it looked at.
	Checks []Check `json:"checks"`
}

// Finding is one broken promise.
type Finding struct {
	// Code is the checker's code: K1 (offset agreement) to K14, or LIN (the
	// exact log check).
	Code string `json:"code"`
	// Sentence says in Kafka's terms what is wrong, naming partition, offset
	// and time.
	Sentence  string        `json:"sentence"`
	Topic     string        `json:"topic,omitempty"`
	Partition int32         `json:"partition"`
	Offset    int64         `json:"offset"` // None if it is not about one
	Time      time.Duration `json:"time"`   // when it showed, since the run began
	// Evidence is what the sentence rests on, one fact a line.
	Evidence []string `json:"evidence,omitempty"`
	// Count is how many violations of this kind in this partition the finding
	// stands for, itself included.
	Count int64 `json:"count"`
}

// Excuse is a loss, and why it was permitted.
type Excuse struct {
	Code      string `json:"code"`
	Topic     string `json:"topic"`
	Partition int32  `json:"partition"`
	// First and Last offset of the records it stands for, and how many.
	First int64 `json:"first"`
	Last  int64 `json:"last"`
	Count int64 `json:"count"`
	// Reason names the fault or election that permits it.
	Reason string `json:"reason"`
}

// Check is one check that was performed.
type Check struct {
	Code   string `json:"code"`
	Name   string `json:"name"`
	Status Status `json:"status"`
	// Inputs is how many things it looked at, Unit what they are. A check with
	// no inputs has proved nothing, which a report must say.
	Inputs int64  `json:"inputs"`
	Unit   string `json:"unit"`
	// Findings it made, before grouping; Excused those that were permitted.
	Findings int64 `json:"findings"`
	Excused  int64 `json:"excused"`
	// Note is what was missing, or a limit of what was checked ("" if none).
	Note string `json:"note,omitempty"`
}

// Merge adds the findings and checks of other (the invariants watched during
// the run) to v.
func (v *Verdict) Merge(other Verdict) {
	v.Findings = append(v.Findings, other.Findings...)
	v.Excused = append(v.Excused, other.Excused...)
	v.Checks = append(v.Checks, other.Checks...)
	v.Status = worse(v.Status, other.Status)
}

// Carry adds what an earlier judgement of the same run found and this one did
// not, so that judging again never makes a verdict milder. when says which
// judgement that was.
func (v *Verdict) Carry(earlier Verdict, when string) {
	k := Check{Code: "–", Name: "nothing that was known before is forgotten", Status: Pass, Unit: "findings"}
	for _, f := range earlier.Findings {
		k.Inputs++
		if !slices.ContainsFunc(v.Findings, func(g Finding) bool { return g.Code == f.Code && g.Sentence == f.Sentence }) {
			f.Evidence = append([]string{"found " + when + ", not now"}, f.Evidence...)
			v.Findings = append(v.Findings, f)
			k.Findings++
		}
	}
	if k.Status = worse(v.Status, earlier.Status); k.Status != v.Status {
		k.Note = fmt.Sprintf("the verdict %s: %s", when, earlier.Status)
		for _, e := range earlier.Checks {
			if e.Status == earlier.Status && e.Note != "" {
				k.Note += fmt.Sprintf("; %s: %s", e.Name, e.Note)
			}
		}
	} else {
		k.Status = Pass
	}
	v.Checks = append(v.Checks, k)
	v.Status = worse(v.Status, k.Status)
}

func worse(a, b Status) Status {
	passes := func(s Status) bool { return s == Pass || s == Skipped }
	switch {
	case a == Failed || b == Failed:
		return Failed
	case passes(a) && passes(b):
		return Pass
	}
	return Unknown // a verdict that says nothing, too
}
