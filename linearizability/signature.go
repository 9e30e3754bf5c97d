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

// grave is the order of the codes by what they mean to a client: a record that
// is gone or another one before what only the brokers' own state shows.
var grave = []string{"K2", "K1", "K5", "K3", "K8", "K4", "K7", "K9", "K6", "K14", "LIN", "K11", "K10", "K13", "K12"}

// Gravest is the finding that matters most to a client, the first of several of
// the same code, those of internal topics last; nil if there is none.
func (v *Verdict) Gravest() *Finding {
	rank := func(f *Finding) int {
		i := slices.Index(grave, f.Code)
		if i < 0 {
			i = len(grave)
		}
		if strings.HasPrefix(f.Topic, "__") {
			i += len(grave)
		}
		return i
	}
	var gravest *Finding
	for i := range v.Findings {
		if f := &v.Findings[i]; gravest == nil || rank(f) < rank(gravest) {
			gravest = f
		}
	}
	return gravest
}

// Signature is that of the gravest finding, "" if there is none.
func (v *Verdict) Signature() string {
	if f := v.Gravest(); f != nil {
		return f.Signature()
	}
	return ""
}

// Signatures are those of all findings, each once.
func (v *Verdict) Signatures() []string {
	var all []string
	for i := range v.Findings {
		if s := v.Findings[i].Signature(); !slices.Contains(all, s) {
			all = append(all, s)
		}
	}
	return all
}
