package campaign

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func manifest(seeds, shard, of int) Manifest {
	return Manifest{Schema: Schema, Campaign: "nightly", Scenario: "quickstart", Text: "name: quickstart\n",
		Binary: "0123456789abcdef", From: "1", Seeds: seeds, Of: of, Shards: []int{shard}, Started: time.Unix(1000+int64(shard), 0).UTC(), Ended: []string{""}}
}

// simulated stands for a run: seeds in failing break a promise.
func simulated(m *Manifest, failing ...int) func(context.Context, int) Result {
	return func(_ context.Context, k int) Result {
		r := Result{Ordinal: k, Seed: m.Seed(k).String(), TraceHash: fmt.Sprintf("%016x", k), Wall: time.Duration(100 - k)}
		if slices.Contains(failing, k) {
			r.Exit, r.Signature, r.Findings = 1, "K2: lost", []string{fmt.Sprintf("K2: lost %d", k)}
		}
		return r
	}
}

func open(t require.TestingT, dir string, m Manifest, resume bool) *Journal {
	j, err := Open(dir, m, resume)
	require.NoError(t, err)
	return j
}

func read(t require.TestingT, dir string) *Part {
	p, err := Read(dir)
	require.NoError(t, err)
	return p
}

func TestEachSeedIsRunOnceWhateverTheShards(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		seeds := rapid.IntRange(1, 60).Draw(t, "seeds")
		of := rapid.IntRange(1, 9).Draw(t, "shards")
		workers := rapid.IntRange(1, 3).Draw(t, "workers")
		var parts []*Part
		for i := 1; i <= of; i++ {
			dir, err := os.MkdirTemp("", "campaign")
			require.NoError(t, err)
			defer func() { _ = os.RemoveAll(dir) }()
			m := manifest(seeds, i, of)
			ended, err := Run(t.Context(), open(t, dir, m, false), Options{Workers: workers, Simulate: simulated(&m, 3, 7)})
			require.NoError(t, err)
			require.Equal(t, Complete, ended)
			parts = append(parts, read(t, dir))
		}
		merged, err := Merge(rapid.Permutation(parts).Draw(t, "order")...)
		require.NoError(t, err)
		require.True(t, merged.Whole())
		require.Len(t, merged.Results, seeds)
		require.Zero(t, merged.Repeated)
		for k, r := range merged.Results {
			require.Equal(t, k, r.Ordinal)
		}
	})
}

func TestMergingIsAMatterOfWhatNotOfHow(t *testing.T) {
	part := func(t *rapid.T, shard, of, seeds int) *Part {
		m := manifest(seeds, shard, of)
		m.Ended = []string{rapid.SampledFrom([]string{"", Complete, Budget, FailFast}).Draw(t, "end")}
		p := &Part{Dir: fmt.Sprint(shard), Manifest: m}
		var all []Result
		for k := range seeds {
			if m.Mine(k) && rapid.Bool().Draw(t, "ran") {
				r := simulated(&m)(t.Context(), k)
				if rapid.IntRange(0, 9).Draw(t, "conflict") == 0 {
					r.TraceHash = "other"
				}
				all = append(all, r)
			}
		}
		p.Results, p.Conflicts = unique(all)
		return p
	}
	rapid.Check(t, func(t *rapid.T) {
		of, seeds := rapid.IntRange(1, 4).Draw(t, "of"), rapid.IntRange(1, 12).Draw(t, "seeds")
		var parts []*Part
		for range rapid.IntRange(2, 5).Draw(t, "parts") {
			parts = append(parts, part(t, rapid.IntRange(1, of).Draw(t, "shard"), of, seeds))
		}
		whole, err := Merge(parts...)
		require.NoError(t, err)

		backwards := slices.Clone(parts)
		slices.Reverse(backwards)
		other, err := Merge(backwards...)
		require.NoError(t, err)
		half, err := Merge(parts[:len(parts)/2+1]...)
		require.NoError(t, err)
		steps, err := Merge(append([]*Part{half.Part("half")}, parts[len(parts)/2+1:]...)...)
		require.NoError(t, err)
		twice, err := Merge(whole.Part("a"), whole.Part("b"))
		require.NoError(t, err)
		for how, got := range map[string]*Merged{"another order": other, "in steps": steps, "twice": twice} {
			require.Equal(t, ordinals(whole.Results), ordinals(got.Results), how)
			require.Equal(t, whole.Missing, got.Missing, how)
			require.Equal(t, whole.Absent, got.Absent, how)
			require.Equal(t, whole.Cut, got.Cut, how)
			require.Equal(t, len(whole.Conflicts) > 0, len(got.Conflicts) > 0, how)
		}
	})
}

func ordinals(results []Result) []int {
	all := make([]int, len(results))
	for i, r := range results {
		all[i] = r.Ordinal
	}
	return all
}

// A campaign is killed anywhere, also in the middle of a line, and goes on.
func TestAKilledCampaignGoesOnWhereItWas(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		dir, err := os.MkdirTemp("", "campaign")
		require.NoError(t, err)
		defer func() { _ = os.RemoveAll(dir) }()
		m := manifest(20, 1, 1)
		ctx, cancel := context.WithCancel(t.Context())
		stop := rapid.IntRange(0, 20).Draw(t, "stop")
		run := simulated(&m, 4)
		ended, err := Run(ctx, open(t, dir, m, false), Options{Workers: 1, Simulate: func(ctx context.Context, k int) Result {
			if k == stop {
				cancel()
			}
			return run(ctx, k)
		}})
		cancel()
		require.NoError(t, err)
		require.Equal(t, stop < 20, ended == "")

		file := filepath.Join(dir, ResultsFile)
		info, err := os.Stat(file)
		require.NoError(t, err)
		cut := rapid.Int64Range(0, info.Size()).Draw(t, "cut")
		require.NoError(t, os.Truncate(file, info.Size()-cut))
		before := len(read(t, dir).Results)

		var ran atomic.Int64
		ended, err = Run(t.Context(), open(t, dir, m, true), Options{Workers: 2, Simulate: func(ctx context.Context, k int) Result {
			ran.Add(1)
			return run(ctx, k)
		}})
		require.NoError(t, err)
		require.Equal(t, Complete, ended)
		p := read(t, dir)
		require.False(t, p.Torn)
		require.Len(t, p.Results, 20)
		require.Equal(t, 20-before, int(ran.Load()), "what was there is not run again")
		merged, err := Merge(p)
		require.NoError(t, err)
		require.True(t, merged.Whole())
	})
}

func TestACampaignIsNeverOverwrittenNorMixed(t *testing.T) {
	dir := t.TempDir()
	m := manifest(3, 1, 1)
	_, err := Run(t.Context(), open(t, dir, m, false), Options{Workers: 1, Simulate: simulated(&m)})
	require.NoError(t, err)
	_, err = Open(dir, m, false)
	require.ErrorContains(t, err, "holds a campaign already: give --resume")
	for what, change := range map[string]func(*Manifest){
		"number of seeds: 3 here and 4 there":                        func(m *Manifest) { m.Seeds = 4 },
		"SHA-256 of the program: 0123456789ab here and fedcba there": func(m *Manifest) { m.Binary = "fedcba" },
		"the text of scenario quickstart is not the same":            func(m *Manifest) { m.Text += "seed: 2\n" },
		"planted bugs:  here and B1 there":                           func(m *Manifest) { m.Planted = []string{"B1"} },
		"first seed: 1 here and 2 there":                             func(m *Manifest) { m.From = "2" },
		"campaign: nightly here and weekly there":                    func(m *Manifest) { m.Campaign = "weekly" },
	} {
		other := manifest(3, 1, 1)
		change(&other)
		_, err := Open(dir, other, true)
		require.ErrorContains(t, err, what)
		_, err = Merge(read(t, dir), &Part{Dir: "other", Manifest: other})
		require.ErrorContains(t, err, what)
	}
}

func TestWhatIsMissingIsNamed(t *testing.T) {
	results := func(m *Manifest, ks ...int) []Result {
		var all []Result
		for _, k := range ks {
			all = append(all, simulated(m)(t.Context(), k))
		}
		return all
	}
	one, two := manifest(10, 1, 2), manifest(10, 2, 2)
	one.Ended, two.Ended = []string{Complete}, []string{""}
	merged, err := Merge(
		&Part{Dir: "1", Manifest: one, Results: results(&one, 0, 2, 4, 6, 8)},
		&Part{Dir: "2", Manifest: two, Results: results(&two, 1, 3)})
	require.NoError(t, err)
	assert.Equal(t, []Range{{5, 5}, {7, 7}, {9, 9}}, merged.Missing)
	assert.Equal(t, []int{2}, merged.Cut)
	assert.False(t, merged.Whole())

	// All machines believed to be the first.
	merged, err = Merge(&Part{Dir: "1", Manifest: one, Results: results(&one, 0, 2, 4, 6, 8)}, &Part{Dir: "again", Manifest: one, Results: results(&one, 0, 2, 4, 6, 8)})
	require.NoError(t, err)
	assert.Equal(t, []int{2}, merged.Absent)
	assert.Equal(t, 5, merged.Repeated)
	assert.Len(t, merged.Missing, 5)

	// A shard whose time was over misses nothing behind its last seed.
	two.Ended = []string{Budget}
	merged, err = Merge(&Part{Dir: "1", Manifest: one, Results: results(&one, 0, 2, 4, 6, 8)}, &Part{Dir: "2", Manifest: two, Results: results(&two, 1, 5)})
	require.NoError(t, err)
	assert.Equal(t, []Range{{3, 3}}, merged.Missing)
}

func TestOtherwiseRunLinesAreRefused(t *testing.T) {
	dir := t.TempDir()
	m := manifest(10, 1, 2)
	j := open(t, dir, m, false)
	other := manifest(10, 2, 2)
	require.NoError(t, j.Append(simulated(&other)(t.Context(), 3)))
	require.NoError(t, j.Close(Complete, time.Second))
	_, err := Read(dir)
	require.ErrorContains(t, err, "ordinal 3 belongs to shard 2, which is not one of this directory's [1]: a seed was run by the wrong shard")
}

func TestASeedWithTwoEndsIsAConflict(t *testing.T) {
	m := manifest(4, 1, 1)
	m.Ended = []string{Complete}
	one := &Part{Dir: "1", Manifest: m, Results: []Result{simulated(&m)(t.Context(), 2)}}
	other := &Part{Dir: "2", Manifest: m, Results: []Result{simulated(&m, 2)(t.Context(), 2)}}
	merged, err := Merge(one, other)
	require.NoError(t, err)
	require.Len(t, merged.Conflicts, 1)
	require.Equal(t, 1, merged.Results[0].Exit, "the worse end is kept")

	dir := t.TempDir()
	require.NoError(t, merged.Write(dir))
	require.Len(t, read(t, dir).Conflicts, 1, "and found again in what was merged")
}

func TestACampaignEndsWithItsTimeAndItsFailures(t *testing.T) {
	m := manifest(0, 1, 1)
	ended, err := Run(t.Context(), open(t, t.TempDir(), m, false), Options{Workers: 2, Budget: time.Nanosecond, Simulate: simulated(&m)})
	require.NoError(t, err)
	require.Equal(t, Budget, ended)

	dir := t.TempDir()
	ended, err = Run(t.Context(), open(t, dir, m, false), Options{Workers: 2, FailFast: 2, Simulate: simulated(&m, 3, 5, 6, 8)})
	require.NoError(t, err)
	require.Equal(t, FailFast, ended)
	merged, err := Merge(read(t, dir))
	require.NoError(t, err)
	require.True(t, merged.Whole())
	groups := Groups(merged.Results)
	require.Len(t, groups, 1)
	require.Equal(t, 3, groups[0].Smallest.Ordinal)
	require.GreaterOrEqual(t, groups[0].Fastest.Ordinal, 5)
}

func TestACampaignThatCannotWriteStops(t *testing.T) {
	m := manifest(0, 1, 1)
	j := open(t, t.TempDir(), m, false)
	require.NoError(t, j.lines.Close())
	_, err := Run(t.Context(), j, Options{Workers: 2, Simulate: simulated(&m)})
	require.ErrorIs(t, err, os.ErrClosed)
}

func TestDrawnSeedsAreOfTheCampaign(t *testing.T) {
	tonight, tomorrow := Manifest{Campaign: "2026-11-27"}, Manifest{Campaign: "2026-11-28"}
	seen := map[string]bool{}
	for k := range 1000 {
		for _, m := range []Manifest{tonight, tomorrow} {
			seen[m.Seed(k).String()] = true
		}
	}
	require.Len(t, seen, 2000)
	require.Equal(t, tonight.Seed(0), (&Manifest{Campaign: "2026-11-27"}).Seed(0))
}

func TestShards(t *testing.T) {
	for text, want := range map[string]Shard{"1/1": {1, 1}, "2/3": {2, 3}, "3/3": {3, 3}} {
		got, err := ParseShard(text, nil)
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
	for text, want := range map[string]string{
		"0/3": "shards are counted from 1; the last of 3 is 3/3", "4/3": "the last of 3 is 3/3", "1/0": "counted from 1",
		"": "write i/n", "1": "write i/n", "a/b": "write i/n", "1/2/3": "write i/n",
	} {
		_, err := ParseShard(text, nil)
		require.ErrorContains(t, err, want, text)
	}
}

func TestShardsOfSchedulers(t *testing.T) {
	for _, c := range []struct {
		env  map[string]string
		want Shard
		err  string
	}{
		{env: map[string]string{}, err: "none of WEIR_SHARD_INDEX, SLURM_ARRAY_TASK_ID"},
		{env: map[string]string{"SLURM_ARRAY_TASK_ID": "0", "SLURM_ARRAY_TASK_COUNT": "4", "SLURM_ARRAY_TASK_MIN": "0"}, want: Shard{1, 4}},
		{env: map[string]string{"SLURM_ARRAY_TASK_ID": "7", "SLURM_ARRAY_TASK_COUNT": "3", "SLURM_ARRAY_TASK_MIN": "3", "SLURM_ARRAY_TASK_STEP": "2"}, want: Shard{3, 3}},
		{env: map[string]string{"SLURM_ARRAY_TASK_ID": "4", "SLURM_ARRAY_TASK_COUNT": "3", "SLURM_ARRAY_TASK_MIN": "3", "SLURM_ARRAY_TASK_STEP": "2"}, err: "not 3 plus a multiple of 2"},
		// sbatch --array=1,5,9: what lies between is not told.
		{env: map[string]string{"SLURM_ARRAY_TASK_ID": "9", "SLURM_ARRAY_TASK_COUNT": "3", "SLURM_ARRAY_TASK_MIN": "1"}, err: "there is no such shard"},
		{env: map[string]string{"SLURM_ARRAY_TASK_ID": "1"}, err: "SLURM_ARRAY_TASK_COUNT is not: submit"},
		{env: map[string]string{"AWS_BATCH_JOB_ARRAY_INDEX": "3", "AWS_BATCH_JOB_ARRAY_SIZE": "4"}, want: Shard{4, 4}},
		{env: map[string]string{"JOB_COMPLETION_INDEX": "0", "WEIR_SHARDS": "5"}, want: Shard{1, 5}},
		{env: map[string]string{"JOB_COMPLETION_INDEX": "0"}, err: "Kubernetes Indexed Job: JOB_COMPLETION_INDEX is set and WEIR_SHARDS is not"},
		{env: map[string]string{"CI_NODE_INDEX": "1", "CI_NODE_TOTAL": "5"}, want: Shard{1, 5}},
		{env: map[string]string{"CI_NODE_INDEX": "0", "CI_NODE_TOTAL": "5"}, err: "there is no such shard"},
		{env: map[string]string{"CIRCLE_NODE_INDEX": "1", "CIRCLE_NODE_TOTAL": "5"}, want: Shard{2, 5}},
		{env: map[string]string{"BUILDKITE_PARALLEL_JOB": "4", "BUILDKITE_PARALLEL_JOB_COUNT": "5"}, want: Shard{5, 5}},
		{env: map[string]string{"WEIR_SHARD_INDEX": "x", "WEIR_SHARDS": "5"}, err: `WEIR_SHARD_INDEX is "x"`},
		{env: map[string]string{"CIRCLE_NODE_INDEX": "1", "CIRCLE_NODE_TOTAL": "5", "BUILDKITE_PARALLEL_JOB": "4", "BUILDKITE_PARALLEL_JOB_COUNT": "5"}, err: "give --shard i/n"},
	} {
		got, err := ParseShard("auto", func(name string) string { return c.env[name] })
		if c.err != "" {
			require.ErrorContains(t, err, c.err)
			continue
		}
		require.NoError(t, err)
		require.Equal(t, c.want, got)
	}
}

func TestAManifestThatCannotBeIsRefused(t *testing.T) {
	for want, change := range map[string]func(*Manifest){
		`schema "x"`: func(m *Manifest) { m.Schema = "x" },
		"no name":    func(m *Manifest) { m.Campaign = "" },
		"from":       func(m *Manifest) { m.From = "many" },
		"seeds is":   func(m *Manifest) { m.Seeds = -1 },
		"of is 0":    func(m *Manifest) { m.Of = 0 },
		"shard 3":    func(m *Manifest) { m.Shards = []int{3} },
		"0 ends":     func(m *Manifest) { m.Ended = nil },
		"twice":      func(m *Manifest) { m.Shards, m.Ended = []int{1, 1}, []string{"", ""} },
	} {
		m := manifest(1, 1, 2)
		change(&m)
		require.ErrorContains(t, m.Check(), want)
	}
	_, err := Merge()
	require.Error(t, err)
	_, err = Read(t.TempDir())
	require.True(t, errors.Is(err, os.ErrNotExist))
}
