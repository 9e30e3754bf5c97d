package scenario

import (
	"fmt"
	"slices"
	"strings"

	"github.com/weirlab/weir/faults/drawn"
)

// check finds the first value that cannot work. path is where it is.
func (s *Scenario) check() (path string, err error) {
	for _, part := range []func() (string, error){s.checkHead, s.checkCluster, s.checkTopics, s.checkLoad, s.checkSimulation, s.checkFaults} {
		if path, err := part(); err != nil {
			return path, err
		}
	}
	return "", nil
}

func (s *Scenario) checkHead() (string, error) {
	if s.Name == "" || strings.ContainsAny(s.Name, "/\\ \t\n") || strings.HasPrefix(s.Name, ".") {
		return "name", fmt.Errorf("%q does not name a directory; use one word such as quickstart", s.Name)
	}
	if s.Recovery <= 0 {
		return "recovery", fmt.Errorf("%v leaves no time to recover; give 10s or more", s.Recovery)
	}
	return "", nil
}

func (s *Scenario) checkCluster() (string, error) {
	c := s.Cluster
	if c.Brokers.Min < 1 || c.Brokers.Max > 99 {
		return "cluster.brokers", fmt.Errorf("%s brokers are not possible; use 1 to 99", c.Brokers)
	}
	if err := checkWord(c.Storage, Storages()); err != nil {
		return "cluster.storage", err
	}
	if err := checkWord(c.BetweenRacks, Ways()); err != nil {
		return "cluster.between-racks", err
	}
	if c.LogDirs.Min < 0 || c.LogDirs.Max > 16 {
		return "cluster.log-dirs", fmt.Errorf("%d log directories are not possible; use up to 16", c.LogDirs.Max)
	}
	if c.BetweenRacks == CrossZone && c.Racks.Max < 2 {
		return "cluster.between-racks", fmt.Errorf("%s needs two racks at least; give cluster.racks, or remove it", CrossZone)
	}
	if path, err := c.checkMachine(); err != nil {
		return path, err
	}
	if name, err := c.Properties.checkBroker(); err != nil {
		return "cluster.properties." + name, err
	}
	return "", nil
}

func (c *Cluster) checkMachine() (string, error) {
	v := c.Volume
	switch {
	case v != Volume{} && (c.Storage == InstanceStore || c.Storage == MachineStorage):
		return "cluster.volume", fmt.Errorf("only EBS volumes can be sized, and storage is %s; remove it", c.Storage)
	case v.SizeGiB < 0 || v.IOPS < 0 || v.ThroughputMiBps < 0:
		return "cluster.volume", fmt.Errorf("sizes and rates must not be negative")
	case v.CreditsPercent != nil && (*v.CreditsPercent < 0 || *v.CreditsPercent > 100):
		return "cluster.volume.credits-percent", fmt.Errorf("%d is not a percentage; use 0 to 100", *v.CreditsPercent)
	case c.Machine == "" && v.CreditsPercent != nil:
		return "cluster.volume.credits-percent", fmt.Errorf("burst credits are those of a machine and its volume; name an instance type as cluster.machine, or remove it")
	case c.Machine == "" && (c.Storage == MachineStorage || c.Together || c.Costs != ""):
		return "cluster.machine", fmt.Errorf("storage: machine, together: and costs: need a machine; name an instance type or the file of a machine profile")
	case c.DirtyPercent < 0 || c.DirtyPercent > 100:
		return "cluster.dirty-percent", fmt.Errorf("%d is not a percentage; use 0 to 100", c.DirtyPercent)
	}
	return "", nil
}

// checkWord finds a value that is neither absent nor one of known.
func checkWord(value string, known []string) error {
	if value == "" {
		return nil
	}
	for _, word := range drawn.Alternatives(value) {
		if !slices.Contains(known, word) {
			return fmt.Errorf("%q is not known; use one of %s", word, strings.Join(known, ", "))
		}
	}
	return nil
}

func (s *Scenario) checkFaults() (string, error) {
	if s.Faults.Draw != nil {
		if len(s.Faults.Plan) > 0 {
			return "faults", fmt.Errorf("give either plan: or draw:, not both")
		}
		if s.Faults.Draw.HealBy > s.Load.Duration.Max {
			return "faults.draw.heal-by", fmt.Errorf("%v is after the end of the load (%v); faults must be healed by then", s.Faults.Draw.HealBy, s.Load.Duration.Max)
		}
		if err := s.Faults.Draw.Validate(s.largest().Topology()); err != nil {
			return "faults.draw", err
		}
	}
	t := s.Topology() // the least that may be drawn
	for i, f := range s.Faults.Plan {
		at := fmt.Sprintf("faults.plan[%d]", i)
		if err := f.Validate(t); err != nil {
			return at, err
		}
		if f.At > s.Load.Duration.Max {
			return at + ".at", fmt.Errorf("%v is after the end of the load (%v); move it, or make the load longer", f.At, s.Load.Duration.Max)
		}
	}
	return "", nil
}

// Validate says what is wrong with a scenario that was made from another file,
// which it names.
func (s *Scenario) Validate(file string) error {
	if path, err := s.check(); err != nil {
		return &Error{File: file, Path: path, Text: err.Error()}
	}
	return nil
}
