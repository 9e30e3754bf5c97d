package faults_test

import (
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weirlab/weir/faults"
	"github.com/weirlab/weir/faults/drawn"
)

var cluster = faults.Topology{
	Brokers:    []string{"broker-1", "broker-2", "broker-3", "broker-4"},
	RackOf:     []string{"rack-1", "rack-2", "rack-1", "rack-2"},
	Partitions: []string{"orders-0", "orders-1", "orders-2", "orders-3"},
	LogDirs:    2,
	MinISR:     2,
}

// beyond are the drawings that ask more than the protocol promises, and
// combined those in which a lossy fault meets others on purpose.
var (
	beyond   = []string{"blackout", "rack-loss", "site-loss", "lying-sync", "lost-write", "torn-write", "misdirected-write", "bit-rot"}
	combined = []string{"last-standing", "power-loss-while-down"}
)

// everything draws all that the protocol survives, each fault by itself.
func everything() faults.Draw {
	d := faults.Draw{Start: 2 * time.Second, HealBy: 90 * time.Second, Counts: faults.Counts{}}
	for _, key := range d.Counts.Keys() {
		if !slices.Contains(beyond, key) && !slices.Contains(combined, key) {
			d.Counts[key] = faults.Count{Min: 0, Max: 2}
		}
	}
	return d
}

// Whatever is drawn is a valid plan, within its bounds and the atlas.
func TestGeneratedPlansKeepTheAtlas(t *testing.T) {
	d := everything()
	require.NoError(t, d.Validate(cluster))
	seen := map[faults.Kind]bool{}
	lossy := 0
	for seed := range uint64(3000) {
		plan := faults.Generate(seed, d, cluster)
		last := time.Duration(0)
		for i, f := range plan {
			seen[f.Kind] = true
			require.NoError(t, f.Validate(cluster), "seed %d: %s", seed, f)
			require.GreaterOrEqual(t, f.At, d.Start, "seed %d: %s", seed, f)
			require.GreaterOrEqual(t, f.At, last, "seed %d is not in order of time", seed)
			last = f.At
			if f.After.IsZero() {
				require.LessOrEqual(t, f.End(), d.HealBy, "seed %d: %s", seed, f)
			}
			if !f.Kind.Lossy() {
				continue
			}
			lossy++
			for j, other := range plan {
				if i != j && (other.Kind.Stops() || other.Kind.Lossy()) {
					gap := time.Duration(0)
					if other.Kind.Lossy() {
						gap = faults.Resync
					}
					apart := other.At >= f.End()+gap || f.At >= other.End()+gap
					require.True(t, apart, "seed %d: %s, too near to %s", seed, f, other)
				}
			}
		}
	}
	for _, k := range faults.Kinds() {
		require.Equal(t, !slices.Contains(beyond, string(k)), seen[k], "%s", k)
	}
	require.Greater(t, lossy, 1000)
}

// A plan is a function of its seed, and asking for more of one kind leaves the
// faults of the others where they were.
func TestStreamsAreKeyed(t *testing.T) {
	less := faults.Draw{Start: 0, HealBy: time.Minute, Counts: faults.Counts{"partition": {Min: 1, Max: 1}, "pause": {Min: 2, Max: 2}}}
	more := less
	more.Counts = faults.Counts{"partition": {Min: 1, Max: 1}, "pause": {Min: 3, Max: 3}}
	for seed := range uint64(100) {
		a, b := faults.Generate(seed, less, cluster), faults.Generate(seed, more, cluster)
		require.Equal(t, a, faults.Generate(seed, less, cluster))
		require.Len(t, b, len(a)+1)
		require.Subset(t, b, a)
	}
}

func TestLossyFaultsNeedMinISR(t *testing.T) {
	alone := cluster
	alone.MinISR = 1
	err := everything().Validate(alone)
	require.ErrorContains(t, err, "power-loss: with min.insync.replicas=1")
}

// Beyond the atlas brokers lose power together, on topics of any kind; but
// only if that was asked for.
func TestBeyondTheAtlasOnlyWhenAskedFor(t *testing.T) {
	d := faults.Draw{Start: 0, HealBy: 30 * time.Second, Counts: faults.Counts{"blackout": {Min: 1, Max: 1}, "disk-error": {Min: 2, Max: 2}}}
	require.ErrorContains(t, d.Validate(cluster), "blackout: asks more than the protocol promises")
	d.BeyondAtlas = drawn.ExactFlag(true)
	alone := cluster
	alone.MinISR = 1
	require.NoError(t, d.Validate(alone))
	for seed := range uint64(300) {
		plan := faults.Generate(seed, d, alone)
		require.GreaterOrEqual(t, plan.Count(faults.PowerLoss), 2, "seed %d", seed)
		require.Equal(t, 2, plan.Count(faults.DiskError), "seed %d", seed)
		for _, f := range plan {
			require.NoError(t, f.Validate(cluster), "seed %d: %s", seed, f)
			require.LessOrEqual(t, f.End(), d.HealBy, "seed %d: %s", seed, f)
			if f.Kind == faults.PowerLoss {
				require.Equal(t, plan[slicesIndex(plan, faults.PowerLoss)].At, f.At, "seed %d", seed)
			}
		}
	}
}

func slicesIndex(plan faults.Plan, k faults.Kind) int {
	return slices.IndexFunc(plan, func(f faults.Fault) bool { return f.Kind == k })
}

// Whoever looks a kind up in the atlas finds it, with all its drawings, and so
// does who reads the documentation of scenario files.
func TestTheAtlasHasEveryKind(t *testing.T) {
	docs, err := os.ReadFile("../docs/scenarios.md")
	require.NoError(t, err)
	for _, k := range faults.Kinds() {
		require.Contains(t, "\n"+faults.Atlas(), "\n"+string(k)+" ")
		require.True(t, strings.Contains(string(docs), "| `"+string(k)+"` |"), "docs/scenarios.md has no row for %s", k)
	}
	for _, key := range (faults.Counts{}).Keys() {
		require.Contains(t, faults.Atlas(), key+" (")
		require.True(t, strings.Contains(string(docs), "`"+key+"`"), "docs/scenarios.md does not say what %s draws", key)
	}
}

func TestCascadesFollowElections(t *testing.T) {
	d := faults.Draw{Start: 0, HealBy: 30 * time.Second, Counts: faults.Counts{"cascade": {Min: 1, Max: 1}}}
	onElection, partitioned := 0, 0
	for seed := range uint64(200) {
		plan := faults.Generate(seed, d, cluster)
		for _, f := range plan {
			if !f.After.IsZero() {
				onElection++
			}
		}
		partitioned += plan.Count(faults.Partition)
	}
	require.Greater(t, onElection, 100)
	require.Greater(t, partitioned, 60)
}

func TestTargets(t *testing.T) {
	for target, role := range map[faults.Target]faults.Role{
		"broker-2": faults.ByName, "controller": faults.Controller,
		"leader of orders-1": faults.Leader, "follower of orders-1": faults.Follower, "it": faults.Concerned, "all": faults.Everyone, "rack-2": faults.Rack,
		faults.Join("controller", "leader of orders-1"): faults.Joined,
	} {
		got, _ := target.Parse()
		require.Equal(t, role, got, "%s", target)
		require.NoError(t, target.Validate(cluster))
	}
	require.ErrorContains(t, faults.Target("leader of orders-9").Validate(cluster), `no partition "orders-9"`)
	require.ErrorContains(t, faults.Target("broker-7").Validate(cluster), `no broker "broker-7"`)
}

func TestFaultsSayWhatIsWrongWithThem(t *testing.T) {
	second := time.Second
	for want, f := range map[string]faults.Fault{
		"kind \"flood\" is not a fault":                           {Kind: "flood", For: second, Node: "broker-1"},
		"before the start":                                        {Kind: faults.Crash, At: -second, For: second, Node: "broker-1"},
		"needs a duration above zero":                             {Kind: faults.Crash, Node: "broker-1"},
		"a crash needs node:":                                     {Kind: faults.Crash, For: second},
		"needs both between: and and:":                            {Kind: faults.Partition, For: second},
		"do not apply to a pause":                                 {Kind: faults.Pause, For: second, Node: "broker-1", OneWay: true},
		"does not apply to a partition":                           {Kind: faults.Partition, For: second, Node: "broker-1", Between: []faults.Target{"broker-1"}, And: []faults.Target{"broker-2"}},
		"needs a factor of 2 or more":                             {Kind: faults.SlowDisk, For: second, Node: "broker-1"},
		"factor: does not apply":                                  {Kind: faults.Pause, For: second, Node: "broker-1", Factor: 2},
		"jump: does not apply":                                    {Kind: faults.Pause, For: second, Node: "broker-1", Jump: second},
		"needs a jump":                                            {Kind: faults.ClockJump, For: second, Node: "broker-1"},
		"must not be negative":                                    {Kind: faults.Crash, For: second, Node: "broker-1", After: faults.Trigger{Event: faults.Roll, Of: "orders-0", Delay: -second}},
		"there is no partition \"orders\"":                        {Kind: faults.Crash, For: second, Node: "broker-1", After: faults.Trigger{Event: faults.Election, Of: "orders"}},
		"there is no broker \"orders-0\"":                         {Kind: faults.Crash, For: second, Node: "broker-1", After: faults.Trigger{Event: faults.Registration, Of: "orders-0"}},
		"\"storm\" is not an event":                               {Kind: faults.Crash, For: second, Node: "broker-1", After: faults.Trigger{Event: "storm", Of: "orders-0"}},
		"\"it\" is the broker that an event is about; say after:": {Kind: faults.Crash, For: second, Node: faults.It},
	} {
		require.ErrorContains(t, f.Validate(cluster), want)
	}
}

// Every file of a broker belongs to one class of those that do not overlap, and
// what takes its place when it is whole to the same.
func TestClassesOfFiles(t *testing.T) {
	for name, want := range map[string]faults.Files{
		"orders-0.AAAA/00000000000000000000.log":        faults.LogFiles,
		"orders-0.AAAA/00000000000000000000.index":      faults.IndexFiles,
		"orders-0.AAAA/00000000000000000000.timeindex":  faults.IndexFiles,
		"orders-0.AAAA/00000000000000000042.snapshot":   faults.SnapshotFiles,
		"orders-0.AAAA/log-state":                       faults.Checkpoints,
		"last-life":                                     faults.Checkpoints,
		"replication-offset-checkpoint":                 faults.Checkpoints,
		"quorum-state":                                  faults.QuorumState,
		"__cluster_metadata-0/00000000000000000000.log": faults.MetadataLog,
		"__cluster_metadata-0/log-state":                faults.MetadataLog,
	} {
		for _, name := range []string{name, name + ".tmp"} {
			for _, class := range faults.FileClasses() {
				if class != faults.TopicFiles {
					require.Equal(t, class == want, class.Has(name), "%s in %s", name, class)
				}
			}
			require.Equal(t, want != faults.QuorumState && want != faults.MetadataLog, faults.TopicFiles.Has(name), name)
			require.True(t, faults.AnyFiles.Has(name))
		}
	}
}

// A bridge is the only broker that reaches both halves; in a ring each reaches
// two others.
func TestShapesOfPartitions(t *testing.T) {
	for key, reaches := range map[string][]int{"bridge": {1, 2, 2, 3}, "ring": {2, 2, 2, 2}} {
		d := faults.Draw{Start: 0, HealBy: 30 * time.Second, Counts: faults.Counts{key: {Min: 1, Max: 1}}}
		require.NoError(t, d.Validate(cluster))
		small := cluster
		small.Brokers = small.Brokers[:3]
		require.ErrorContains(t, d.Validate(small), "needs at least four brokers")
		for seed := range uint64(50) {
			count := map[faults.Target]int{}
			for _, b := range cluster.Brokers {
				count[faults.Target(b)] = len(cluster.Brokers) - 1
			}
			for _, f := range faults.Generate(seed, d, cluster) {
				for _, b := range f.Between {
					count[b] -= len(f.And)
				}
				for _, b := range f.And {
					count[b] -= len(f.Between)
				}
			}
			var got []int
			for _, b := range cluster.Brokers {
				got = append(got, count[faults.Target(b)])
			}
			slices.Sort(got)
			require.Equal(t, reaches, got, "%s, seed %d", key, seed)
		}
	}
}

func TestPlantingNeedsAFaultBuild(t *testing.T) {
	if faults.CompiledIn() {
		t.Skip("this test is about ordinary builds")
	}
	_, err := faults.Plant([]string{"B1"})
	require.ErrorContains(t, err, "make faultbuild")
	_, err = faults.Plant([]string{"B999"})
	require.ErrorContains(t, err, "B1, B3")
	planted, err := faults.Plant(nil)
	require.NoError(t, err)
	require.Empty(t, planted)
}
