package experiment

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestABenchHasSoManyPlaces(t *testing.T) {
	var now, most atomic.Int32
	var told []string // by one goroutine at a time
	b := NewBench(context.Background(), 2, func(what string) { told = append(told, what) })
	simulate := func(context.Context) error {
		most.Store(max(most.Load(), now.Add(1)))
		now.Add(-1)
		return nil
	}
	for range 10 {
		b.Go(func() error {
			if err := b.Do("first", simulate); err != nil {
				return err
			}
			return b.Do("second", simulate)
		})
		b.Start("third", simulate)
	}
	require.NoError(t, b.Wait())
	require.LessOrEqual(t, most.Load(), int32(2))
	require.Len(t, told, 30)
	require.True(t, strings.HasPrefix(told[29], "simulation 30: "))
}

func TestOneThatFailsEndsABench(t *testing.T) {
	b := NewBench(context.Background(), 1, nil)
	broken := errors.New("the disk burst into flames")
	b.Start("a", func(context.Context) error { return broken })
	for range 100 {
		b.Start("b", func(ctx context.Context) error { <-ctx.Done(); return context.Cause(ctx) })
	}
	require.ErrorIs(t, b.Wait(), broken)

	ctx, cancel := context.WithCancelCause(context.Background())
	cancel(broken)
	b = NewBench(ctx, 1, nil)
	b.Start("never", func(context.Context) error { panic("it was over before") })
	require.ErrorIs(t, b.Wait(), broken)
}

type result struct {
	Schema string `json:"schema"`
	Value  int    `json:"value"`
}

func TestAResultIsReadByWhoKnowsIt(t *testing.T) {
	var text bytes.Buffer
	require.NoError(t, Write(&text, &result{"test/1", 7}))
	r, err := Read[result](&text, "test/1")
	require.NoError(t, err)
	require.Equal(t, 7, r.Value)
	for from, want := range map[string]string{
		`{"schema":"test/2","value":7}`:          `schema "test/2", but this version of weir reads "test/1"`,
		`{"schema":"test/1","value":7,"more":1}`: "unknown field",
		`[]`:                                     "no result of an experiment",
	} {
		_, err := Read[result](strings.NewReader(from), "test/1")
		require.ErrorContains(t, err, want)
	}
}
