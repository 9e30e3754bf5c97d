package simtest

import (
	"flag"
	"fmt"
	"strings"
	"time"

	"github.com/weirlab/weir/workloads/scenario"
)

var flags struct {
	seed       string
	seeds      string
	shrink     bool
	shrinkTime time.Duration
	out        string
}

func init() {
	flag.StringVar(&flags.seed, "weir.seed", "", "simulate this seed only, decimal or 0x…")
	flag.StringVar(&flags.seeds, "weir.seeds", "", "simulate these seeds, such as 1-100,0x7")
	flag.BoolVar(&flags.shrink, "weir.shrink", false, "look for the smallest plan with which a failing seed still fails in the same way")
	flag.DurationVar(&flags.shrinkTime, "weir.shrink.time", 5*time.Minute, "how long to look for the smallest plan")
	flag.StringVar(&flags.out, "weir.out", "", "directory for result directories of failing seeds; by default the test's artifacts")
}

// mostSeeds bounds a list of seeds, which is written out.
const mostSeeds = 1_000_000

// parseSeeds reads seeds and ranges of seeds, with commas between.
func parseSeeds(text string) ([]scenario.Seed, error) {
	var seeds []scenario.Seed
	for word := range strings.SplitSeq(text, ",") {
		first, last, isRange := strings.Cut(strings.TrimSpace(word), "-")
		from, err := scenario.ParseSeed(first)
		if err != nil {
			return nil, err
		}
		to := from
		if isRange {
			if to, err = scenario.ParseSeed(last); err != nil {
				return nil, err
			}
		}
		if to < from || uint64(to-from) >= mostSeeds || len(seeds) >= mostSeeds {
			return nil, fmt.Errorf("%q: give a range upwards, of at most %d seeds", word, mostSeeds)
		}
		for s := from; ; s++ {
			seeds = append(seeds, s)
			if s == to {
				break
			}
		}
	}
	return seeds, nil
}
