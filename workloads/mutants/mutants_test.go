package mutants

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weirlab/weir/faults"
	"github.com/weirlab/weir/workloads/scenario"
)

// bank is bugs: one is found in seed 3, one is reached and does nothing, one
// changes runs and is not seen, one is never reached,
// one cannot be seen, and one is noticed by another check.
var bank = []faults.Bug{{ID: "B1", Name: "found", Starred: true, Checks: []string{"K2"}}, {ID: "B2", Name: "silent"}, {ID: "B3", Name: "unseen"},
	{ID: "B4", Name: "unreached"}, {ID: "B5", Name: "same", Equivalent: "there is nothing to see"}, {ID: "B6", Name: "noticed", Checks: []string{"K3"}}}

// gone is what finds the first.
var gone = Finding{"K2", "offset 5 is gone", "K2: offset # is gone"}

// world counts how often each run was made.
type world struct{ runs map[string]int }

func (w *world) run(_ context.Context, seed scenario.Seed, bug string) Outcome {
	w.runs[fmt.Sprintf("%s %d", bug, seed)]++
	out := Outcome{Hash: fmt.Sprint(seed), CPU: time.Second}
	switch bug {
	case "":
		out.Asked = []string{"same", "silent", "unseen", "noticed"}
		if seed == 3 || seed == 7 {
			out.Asked = append(out.Asked, "found")
		}
		if seed == 2 {
			out.Findings = []Finding{{"K1", "nobody planted this", "K1: nobody planted this"}}
		}
	case "unseen":
		out.Hash += "'"
	case "found":
		out.Hash += "'"
		out.Findings = []Finding{{"K9", "two owners", "K9: two owners"}, gone}
	case "noticed":
		out.Findings = []Finding{{"K9", "two owners", "K9: two owners"}}
	}
	return out
}

func TestSearchRunsOnlyWhatCanDiffer(t *testing.T) {
	w := &world{map[string]int{}}
	s := Search(context.Background(), Options{Bugs: bank, From: 1, Seeds: 5, Run: w.run})
	rows := map[string]Row{}
	for _, r := range s.Rows {
		rows[r.Name] = *r
	}
	require.Equal(t, &Find{3, gone}, rows["found"].Find)
	found := rows["found"]
	require.Equal(t, []any{2, 1, 1, 1, time.Second, ""}, []any{found.Seeds, found.Asked, found.Differed, found.Skipped, found.CPU, found.Why()})
	for name, why := range map[string]string{"silent": "reached, no run differed", "unseen": "runs differed, no check saw it", "unreached": "never reached", "same": "equivalent",
		"noticed": "noticed only by a check that looks for something else, K9"} {
		r := rows[name]
		require.Equal(t, why, r.Why())
	}
	require.Equal(t, []scenario.Seed{2}, s.Alarms)
	require.Equal(t, 1, w.runs["found 3"])
	for _, never := range []string{"found 1", "found 4", "unreached 1", "same 1", "unseen 2"} {
		require.Zero(t, w.runs[never], never)
	}
	require.Equal(t, 5, s.Seeds)
	require.Len(t, s.Counted(), 5)
	require.Equal(t, 1, Found(s.Counted()))
	require.Equal(t, 1, Found(Starred(s.Counted())))
	require.Equal(t, 2, MedianSeeds(s.Counted()))
}

func TestABugCostsNoMoreThanItsBudget(t *testing.T) {
	w := &world{map[string]int{}}
	s := Search(context.Background(), Options{Bugs: bank[1:3], From: 3, Seeds: 50, CPU: 3 * time.Second, Run: w.run})
	require.Equal(t, 3, s.Seeds)
	for _, r := range s.Rows {
		require.Equal(t, 3*time.Second, r.CPU)
		require.True(t, r.Spent)
	}
}

func TestABugThatIsNotReachedIsGivenUp(t *testing.T) {
	w := &world{map[string]int{}}
	s := Search(context.Background(), Options{Bugs: []faults.Bug{bank[1], bank[3]}, From: 3, Seeds: 9, Unreached: 4, Run: w.run})
	silent, unreached := s.Rows[0], s.Rows[1]
	require.Equal(t, []any{9, 9, false}, []any{silent.Seeds, silent.Asked, silent.Spent})
	require.Equal(t, []any{4, 0, true}, []any{unreached.Seeds, unreached.Asked, unreached.Spent})
}

// A search that is killed and begun again comes to the same, and runs nothing
// twice.
func TestAJournalGoesOn(t *testing.T) {
	name := filepath.Join(t.TempDir(), "journal.jsonl")
	w := &world{map[string]int{}}
	search := func(seeds int) *Score {
		j, err := OpenJournal(name, "swarm 1")
		require.NoError(t, err)
		s := Search(context.Background(), Options{Bugs: bank, From: 1, Seeds: seeds, Run: j.Wrap(w.run, func(err error) { require.NoError(t, err) })})
		require.NoError(t, j.Close())
		return s
	}
	search(2)
	text, err := os.ReadFile(name)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(name, text[:len(text)-9], 0o600)) // the last line, of seed 2, is cut short
	resumed := search(6)
	require.Equal(t, Search(context.Background(), Options{Bugs: bank, From: 1, Seeds: 6, Run: (&world{map[string]int{}}).run}), resumed)
	again := w.runs[" 2"]
	require.Equal(t, 2, again)
	delete(w.runs, " 2")
	for run, n := range w.runs {
		require.Equal(t, 1, n, run)
	}
	_, err = OpenJournal(name, "swarm 2")
	require.ErrorContains(t, err, "name another directory with --out")
}

func TestWhatWasFoundIsFoundAgain(t *testing.T) {
	late := func(ctx context.Context, seed scenario.Seed, bug string) Outcome {
		if seed < 17 {
			return Outcome{}
		}
		return (&world{map[string]int{}}).run(ctx, seed, bug)
	}
	find, err := Repeat(context.Background(), late, "found", 13, []string{"K2"})
	require.NoError(t, err)
	require.Equal(t, scenario.Seed(17), find.Seed)
	_, err = Repeat(context.Background(), late, "found", 17-Tries, []string{"K2"})
	require.ErrorContains(t, err, "no seed from 0x7 to 0x10 of its plan finds it")
	_, err = Repeat(context.Background(), late, "found", 17, []string{"K3"})
	require.Error(t, err)
	_, err = Repeat(context.Background(), (&world{map[string]int{}}).run, "found", 2, []string{"K2"})
	require.ErrorContains(t, err, "finds this without it: nobody planted this")
}

func TestThePlansOfKnownFindsAreExplicit(t *testing.T) {
	known, err := KnownFinds()
	require.NoError(t, err)
	require.NotEmpty(t, known)
	for _, k := range known {
		bug, err := faults.FindBug(k.Bug)
		require.NoError(t, err)
		require.Equal(t, k.Bug, bug.Name)
		require.True(t, k.Plan.Explicit(), k.Bug)
	}
}
