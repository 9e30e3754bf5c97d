package linearizability

import (
	"regexp"
	"slices"
	"strings"
)

// Signature says what is wrong regardless of where, when and how often: the
// code and the sentence without partition, numbers and the lengths of lists.
// Findings with the same signature are of the same kind: a campaign groups by
// it, and a smaller plan that shows it fails in the same way.
func (f *Finding) Signature() string {
	s := f.Sentence
	if f.Topic != "" {
		s = strings.ReplaceAll(s, TopicPartition{f.Topic, f.Partition}.String(), "a partition")
	}
	return f.Code + ": " + Shape(s)
}

// Shape is a sentence without its numbers, and without how long its lists are.
func Shape(sentence string) string {
	for _, r := range shapes {
		sentence = r.what.ReplaceAllString(sentence, r.with)
	}
	return sentence
}

// shapes take out of a sentence what differs between two findings of a kind.
var shapes = []struct {
	what *regexp.Regexp
	with string
}{
	{regexp.MustCompile(`CRC [0-9a-f]{8}`), "CRC #"},
	{regexp.MustCompile(`\b(?:[0-9]+(?:\.[0-9]+)?(?:h|ms|m|s|µs|ns))+\b`), "#"}, // 1m0.5s
	{regexp.MustCompile(`\b(?:0x[0-9a-f]+|[0-9][0-9.,]*[0-9]|[0-9])`), "#"},
	{regexp.MustCompile(`#(?:(?:,| and)? #)+`), "#"}, // [1 2 3]; 1, 2 and 3
	{regexp.MustCompile(`\[\]`), "[#]"},
	{regexp.MustCompile(`\bbrokers #`), "broker #"},
}

// Signature is that of the first finding, "" if there is none.
func (v *Verdict) Signature() string {
	if len(v.Findings) == 0 {
		return ""
	}
	return v.Findings[0].Signature()
}

// Shows says whether a finding with the signature is among those of v.
func (v *Verdict) Shows(signature string) bool {
	return slices.ContainsFunc(v.Findings, func(f Finding) bool { return f.Signature() == signature })
}
