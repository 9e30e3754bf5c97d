package linearizability

import (
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// What is left out of commits of unknown fate decides nothing.
func TestFewerCommitsOfUnknownFateDecideTheSame(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var all []*OffsetOp
		for i := range rapid.IntRange(1, 9).Draw(t, "operations") {
			o := &OffsetOp{Process: int64(i), Outcome: OK, Offset: rapid.Int64Range(1, 2).Draw(t, "offset"), Write: rapid.Bool().Draw(t, "write")}
			o.Call = time.Duration(rapid.IntRange(0, 12).Draw(t, "call"))
			o.Return = o.Call + time.Duration(rapid.IntRange(1, 6).Draw(t, "takes"))
			if o.Write && rapid.Bool().Draw(t, "unknown") {
				o.Outcome, o.Return = Info, Never
			}
			all = append(all, o)
		}
		whole := window{initial: None, ops: slices.DeleteFunc(slices.Clone(all), func(o *OffsetOp) bool {
			return o.Outcome == Info && !slices.ContainsFunc(all, func(l *OffsetOp) bool { return !l.Write && l.Offset == o.Offset })
		})}
		steps := int64(math.MaxInt64)
		want := checkRegisterOps(whole, &steps)
		require.Equal(t, want, checkRegisterOps(window{initial: None, ops: registerOps(all)}, &steps))
	})
}

// A committer that nobody answers for long, of an offset that stays the same, does
// not make its register hard to judge.
func TestManyCommitsOfUnknownFateAreJudged(t *testing.T) {
	ops := []*OffsetOp{{Call: 0, Return: 1, Write: true, Outcome: OK, Offset: 5}}
	for i := range 40 {
		ops = append(ops, &OffsetOp{Process: int64(i), Call: time.Duration(2 + i), Return: Never, Write: true, Outcome: Info, Offset: 7})
	}
	for i, offset := range []int64{7, 5} { // it cannot have gone back
		ops = append(ops, &OffsetOp{Process: 90, Call: time.Duration(60 + 2*i), Return: time.Duration(61 + 2*i), Outcome: OK, Offset: offset})
	}
	steps := int64(1000)
	require.Equal(t, porcupine.Illegal, checkRegisterOps(window{initial: None, ops: registerOps(ops)}, &steps), fmt.Sprint(steps))
}
