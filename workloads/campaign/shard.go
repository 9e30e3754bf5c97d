package campaign

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Shard is which part of a campaign a machine runs: Index of Of, from 1.
type Shard struct{ Index, Of int }

// scheduler is how a system that runs many equal jobs tells each which it is.
type scheduler struct {
	name         string
	index, total string // names of environment variables
	first        string // variable with the lowest index, "" if it is base
	step         string // variable with the distance of indexes, "" if it is 1
	base         int
	// missing is what to do if the system does not tell how many jobs there are.
	missing string
}

// schedulers are asked in this order. Weir's own variables are for systems that
// pass such numbers in other ways, as a matrix of GitHub Actions does.
var schedulers = []scheduler{
	{name: "WEIR_SHARD", index: "WEIR_SHARD_INDEX", total: "WEIR_SHARDS",
		missing: "set WEIR_SHARDS to the number of shards; indexes count from 0"},
	// Slurm, sbatch(1), OUTPUT ENVIRONMENT VARIABLES.
	{name: "Slurm array", index: "SLURM_ARRAY_TASK_ID", total: "SLURM_ARRAY_TASK_COUNT", first: "SLURM_ARRAY_TASK_MIN", step: "SLURM_ARRAY_TASK_STEP",
		missing: "submit the script with sbatch --array"},
	// AWS Batch user guide, "AWS Batch job environment variables".
	{name: "AWS Batch array", index: "AWS_BATCH_JOB_ARRAY_INDEX", total: "AWS_BATCH_JOB_ARRAY_SIZE",
		missing: "set WEIR_SHARDS to the size of the array"},
	// Kubernetes, "Indexed Job for parallel processing": the number of
	// completions is not in the environment unless the manifest puts it there.
	{name: "Kubernetes Indexed Job", index: "JOB_COMPLETION_INDEX", total: "WEIR_SHARDS",
		missing: "set WEIR_SHARDS in the manifest to what completions says"},
	{name: "GitLab CI", index: "CI_NODE_INDEX", total: "CI_NODE_TOTAL", base: 1, missing: "set parallel in the job"},
	{name: "CircleCI", index: "CIRCLE_NODE_INDEX", total: "CIRCLE_NODE_TOTAL", missing: "set parallelism in the job"},
	{name: "Buildkite", index: "BUILDKITE_PARALLEL_JOB", total: "BUILDKITE_PARALLEL_JOB_COUNT", missing: "set parallelism in the step"},
}

// ParseShard reads "i/n", counted from 1, or "auto", which asks the variables
// of the scheduler that started this process. Two shards that think they are
// the same do the same work and nobody notices, so whatever is in doubt is an
// error: an index without a total, or two schedulers that do not agree.
func ParseShard(text string, getenv func(string) string) (Shard, error) {
	if text == "auto" {
		return autoShard(getenv)
	}
	index, of, found := strings.Cut(text, "/")
	i, err1 := strconv.Atoi(index)
	n, err2 := strconv.Atoi(of)
	if !found || err1 != nil || err2 != nil {
		return Shard{}, fmt.Errorf("shard %q: write i/n, such as 1/4, or auto", text)
	}
	if n < 1 || i < 1 || i > n {
		return Shard{}, fmt.Errorf("shard %q: shards are counted from 1; the last of %d is %d/%d", text, n, n, n)
	}
	return Shard{i, n}, nil
}

func autoShard(getenv func(string) string) (Shard, error) {
	var found Shard
	var from string
	for _, s := range schedulers {
		if getenv(s.index) == "" {
			continue
		}
		shard, err := s.shard(getenv)
		if err != nil {
			return Shard{}, fmt.Errorf("%s: %w", s.name, err)
		}
		if from != "" && shard != found {
			return Shard{}, fmt.Errorf("the environment of %s says shard %d of %d, that of %s shard %d of %d: give --shard i/n",
				from, found.Index, found.Of, s.name, shard.Index, shard.Of)
		}
		found, from = shard, s.name
	}
	if from == "" {
		var names []string
		for _, s := range schedulers {
			names = append(names, s.index)
		}
		return Shard{}, fmt.Errorf("shard auto: none of %s is set; give --shard i/n", strings.Join(names, ", "))
	}
	return found, nil
}

func (s scheduler) shard(getenv func(string) string) (Shard, error) {
	number := func(name string, unset int) (int, error) {
		text := getenv(name)
		if name == "" || text == "" {
			return unset, nil
		}
		n, err := strconv.Atoi(text)
		if err != nil {
			return 0, fmt.Errorf("%s is %q, which is no number", name, text)
		}
		return n, nil
	}
	if getenv(s.total) == "" {
		return Shard{}, fmt.Errorf("%s is set and %s is not: %s", s.index, s.total, s.missing)
	}
	index, err1 := number(s.index, 0)
	total, err2 := number(s.total, 0)
	first, err3 := number(s.first, s.base)
	step, err4 := number(s.step, 1)
	if err := errors.Join(err1, err2, err3, err4); err != nil {
		return Shard{}, err
	}
	if step < 1 || (index-first)%step != 0 {
		return Shard{}, fmt.Errorf("%s is %d, which is not %d plus a multiple of %d", s.index, index, first, step)
	}
	shard := Shard{(index-first)/step + 1, total}
	if shard.Index < 1 || shard.Index > total {
		return Shard{}, fmt.Errorf("%s is %d and %s is %d: there is no such shard", s.index, index, s.total, total)
	}
	return shard, nil
}
