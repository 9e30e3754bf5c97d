package simnet

import (
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestFifoIsAQueueThatKeepsItsMemory(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var q fifo[int]
		var model []int
		next := 0
		t.Repeat(map[string]func(*rapid.T){
			"push": func(t *rapid.T) {
				for range rapid.IntRange(1, 100).Draw(t, "n") {
					next++
					q.push(next)
					model = append(model, next)
				}
			},
			"drop": func(t *rapid.T) {
				n := rapid.IntRange(0, len(model)).Draw(t, "n")
				q.drop(n)
				model = model[n:]
			},
			"keep": func(t *rapid.T) {
				n := rapid.IntRange(0, len(model)).Draw(t, "n")
				q.keep(n)
				model = model[:n]
			},
			"": func(t *rapid.T) {
				if q.len() != len(model) || len(q.all()) != len(model) {
					t.Fatalf("%d items, want %d", q.len(), len(model))
				}
				for i, v := range q.all() {
					if v != model[i] {
						t.Fatalf("item %d is %d, want %d", i, v, model[i])
					}
				}
			},
		})
	})
	var q fifo[int]
	require.Zero(t, testing.AllocsPerRun(1000, func() {
		q.push(1)
		q.push(2)
		q.drop(1)
		q.drop(1)
	}))
}
