package consumer

import (
	"fmt"
	"regexp"
	"regexp/syntax"

	"github.com/weirlab/weir/broker/metadata"
)

const (
	maxExpressionBytes = 4096 // how long an expression may be
	maxExpressionSize  = 1000 // and how many instructions it may take to match
)

// CheckExpression reports why an expression cannot be subscribed to: it is not one
// of RE2, or it is too large. The time to match is at most proportional to its size
// and to the length of the names of all topics.
func CheckExpression(expression string) error {
	_, err := compile(expression)
	return err
}

func compile(expression string) (*regexp.Regexp, error) {
	if len(expression) > maxExpressionBytes {
		return nil, fmt.Errorf("SubscribedTopicRegex has %d bytes; at most %d are taken", len(expression), maxExpressionBytes)
	}
	tree, err := syntax.Parse(expression, syntax.Perl)
	if err != nil {
		return nil, fmt.Errorf("SubscribedTopicRegex `%s` is not a valid regular expression: %w", expression, err)
	}
	if n := sizeOf(tree); n > maxExpressionSize {
		return nil, fmt.Errorf("SubscribedTopicRegex takes %d instructions, counting repetitions; at most %d are taken", n, maxExpressionSize)
	}
	return regexp.Compile(`\A(?:` + expression + `)\z`)
}

// sizeOf is about how many instructions an expression takes once its repetitions
// are written out.
func sizeOf(re *syntax.Regexp) int {
	n := 1 + len(re.Rune)
	for _, sub := range re.Sub {
		n = min(n+sizeOf(sub), maxExpressionSize+1)
	}
	if re.Op == syntax.OpRepeat {
		n *= max(re.Min, re.Max, 1)
	}
	return min(n, maxExpressionSize+1)
}

// Match resolves expressions to the topics whose whole names they match and that
// may see. One that cannot be compiled matches none. It is made for the task of the
// client that brings them: it takes time in proportion to the number of topics.
func Match(expressions []string, topics *metadata.Image, may func(topic string) bool) map[string][]string {
	out := make(map[string][]string, len(expressions))
	all := topics.Topics()
	for _, e := range expressions {
		out[e] = nil
		re, err := compile(e)
		if err != nil {
			continue
		}
		for _, t := range all {
			if re.MatchString(t.Name) && may(t.Name) {
				out[e] = append(out[e], t.Name)
			}
		}
	}
	return out
}
