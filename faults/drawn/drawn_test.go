package drawn_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v4"
	"pgregory.net/rapid"

	"github.com/weirlab/weir/env"
	"github.com/weirlab/weir/faults/drawn"
)

func number(t require.TestingT, text string) drawn.Number {
	var n drawn.Number
	require.NoError(t, n.UnmarshalText([]byte(text)))
	return n
}

func span(t require.TestingT, text string) drawn.Span {
	var s drawn.Span
	require.NoError(t, s.UnmarshalText([]byte(text)))
	return s
}

// What is drawn is one of the alternatives, every one is drawn by some stream,
// and drawing again changes nothing.
func TestEveryAlternativeIsDrawn(t *testing.T) {
	n, s := number(t, "7 | 1..3"), span(t, "5s | 10ms..12ms")
	require.False(t, n.Exact())
	require.Equal(t, []int64{1, 7}, []int64{n.Min, n.Max})
	require.Equal(t, []time.Duration{10 * time.Millisecond, 5 * time.Second}, []time.Duration{s.Min, s.Max})
	numbers, spans := map[int64]int{}, map[time.Duration]int{}
	for seed := range uint64(1000) {
		one := n.Draw(env.NewRand(seed, "test", "number"))
		require.True(t, one.Exact())
		require.Equal(t, one, one.Draw(env.NewRand(seed, "test", "again")))
		numbers[one.Value()]++
		length := s.Draw(env.NewRand(seed, "test", "span"))
		require.True(t, length.Exact())
		spans[length.Value()]++
	}
	require.Len(t, numbers, 4)
	require.Len(t, spans, 4)
	require.InDelta(t, 500, numbers[7], 60, "an alternative is as likely as every other, however long its range")
	require.InDelta(t, 500, spans[5*time.Second], 60)
}

func TestFlagsAndWords(t *testing.T) {
	var f drawn.Flag
	require.NoError(t, f.UnmarshalText([]byte("false | true")))
	require.True(t, f.May(true) && f.May(false) && !f.Exact() && !f.Set())
	flags, words := map[bool]int{}, map[string]int{}
	for seed := range uint64(1000) {
		flags[f.Draw(env.NewRand(seed, "test", "flag")).Set()]++
		words[drawn.Word(env.NewRand(seed, "test", "word"), "a | b | b")]++
	}
	require.InDelta(t, 500, flags[true], 60)
	require.InDelta(t, 667, words["b"], 60, "what is written twice is twice as likely")
	require.False(t, drawn.ExactFlag(true).May(false))
	require.Error(t, f.UnmarshalText([]byte("true | maybe")))
}

func TestWhatIsNoValueIsRefused(t *testing.T) {
	for _, text := range []string{"", "x", "-1", "3..1", "1 |2", "1 | ", "1..", "1..2..3"} {
		var n drawn.Number
		require.ErrorContains(t, n.UnmarshalText([]byte(text)), "is not a number", text)
		require.Zero(t, n)
		var s drawn.Span
		require.ErrorContains(t, s.UnmarshalText([]byte(text)), "is not a duration", text)
	}
}

// Values survive being written and read, drawn or not.
func TestValuesSurviveWriting(t *testing.T) {
	type file struct {
		N drawn.Number
		S drawn.Span
		F drawn.Flag
	}
	rapid.Check(t, func(t *rapid.T) {
		texts := rapid.SampledFrom([]string{"0", "7", "1..3", "1 | 2", "0 | 4..9 | 2"})
		times := rapid.SampledFrom([]string{"0s", "1m0s", "1ms..2h0m0s", "1s | 5ms..7ms"})
		flags := rapid.SampledFrom([]string{"true", "false", "false | true | true", "off | on"})
		f := file{N: number(t, texts.Draw(t, "number")), S: span(t, times.Draw(t, "span"))}
		require.NoError(t, f.F.UnmarshalText([]byte(flags.Draw(t, "flag"))))
		if rapid.Bool().Draw(t, "drawn") {
			r := env.NewRand(rapid.Uint64().Draw(t, "seed"), "test", "")
			f = file{f.N.Draw(r), f.S.Draw(r), f.F.Draw(r)}
		}
		text, err := yaml.Marshal(f)
		require.NoError(t, err)
		read := map[string]string{}
		require.NoError(t, yaml.Unmarshal(text, &read), "%s", text)
		require.Equal(t, f, file{N: number(t, read["n"]), S: span(t, read["s"]), F: flag(t, read["f"])}, "%s", text)
	})
}

func flag(t require.TestingT, text string) (f drawn.Flag) {
	require.NoError(t, f.UnmarshalText([]byte(text)))
	return f
}
