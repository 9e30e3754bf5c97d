package size

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/weirlab/weir/sim/ec2"
	"github.com/weirlab/weir/workloads/experiment/compare"
)

// Use is what a broker takes of a limit, per second.
type Use struct {
	Limit  string `json:"limit"`
	Demand int64  `json:"demand"`
	Most   int64  `json:"most"` // what it sustains
}

// Percent is how much of the limit is taken.
func (u Use) Percent() float64 { return 100 * float64(u.Demand) / float64(max(1, u.Most)) }

// Candidate is a cluster that holds by arithmetic.
type Candidate struct {
	Instance string `json:"instance"`
	Store    Store  `json:"store"`
	Brokers  int64  `json:"brokers"`

	// Whole is what a broker takes of its limits with all brokers, Lost with one
	// lost, by the largest share first.
	Whole []Use `json:"whole"`
	Lost  []Use `json:"one_lost"`
	// StoredBytes is what each broker keeps.
	StoredBytes int64        `json:"stored_bytes"`
	Bill        compare.Bill `json:"bill"`
	// Host and Storage are the rebuilds after a machine failed, and after a disk
	// or volume was lost.
	Host    *compare.Rebuild `json:"host_lost"`
	Storage *compare.Rebuild `json:"storage_lost"`
}

// Configuration is the candidate's broker.
func (c *Candidate) Configuration() compare.Configuration {
	return compare.Configuration{Instance: c.Instance, Volume: c.Store.Volume}
}

// String describes the candidate: "6 × m5.xlarge, gp3, 500 GiB, ...".
func (c *Candidate) String() string {
	return fmt.Sprintf("%d × %s, %s", c.Brokers, c.Instance, c.Store)
}

// demand is what a broker is asked for when so many are alive: each writes its
// share of every replica, and a leader's bytes leave it for each follower and
// each group.
func (n Need) demand(alive int64) (writes, in, out int64) {
	replicas := min(int64(n.ReplicationFactor), alive)
	bytes := n.onDisk(n.peak())
	return bytes * replicas / alive, bytes * replicas / alive, bytes * (replicas - 1 + int64(n.Groups)) / alive
}

// uses are a broker's limits with what it takes of them.
func (n Need) uses(i ec2.Instance, s Store, alive int64) []Use {
	writes, in, out := n.demand(alive)
	uses := []Use{
		{TermStorage, writes, s.writes}, {"storage I/Os", writes / s.merge, s.ios},
		{"network in", in, i.Network}, {"network out", out, i.Network},
	}
	if s.Volume != nil {
		uses = append(uses, Use{TermEBS, writes, i.EBS})
	}
	slices.SortStableFunc(uses, func(a, b Use) int { return cmp.Compare(b.Percent(), a.Percent()) })
	return uses
}

// Search finds the smallest cluster of every instance type and class of storage
// that holds, the cheapest first.
func Search(n Need) ([]*Candidate, error) {
	if err := n.Check(); err != nil {
		return nil, err
	}
	var all []*Candidate
	for _, i := range ec2.Default().Instances {
		if len(n.Instances) > 0 && !slices.Contains(n.Instances, i.Name) || !i.Complete() || i.HourMicroUSD == 0 {
			continue
		}
		found, err := n.smallest(i)
		if err != nil {
			return nil, err
		}
		all = append(all, found...)
	}
	slices.SortStableFunc(all, func(a, b *Candidate) int { return cmp.Compare(a.Bill.MicroUSD(), b.Bill.MicroUSD()) })
	return all, nil
}

// smallest are the smallest clusters of one instance type, one for each class.
func (n Need) smallest(i ec2.Instance) ([]*Candidate, error) {
	var found []*Candidate
	done := map[string]bool{}
	zones := int64(n.Zones)
	first := (int64(n.ReplicationFactor) + zones - 1) / zones * zones
	for brokers := first; brokers <= int64(n.MostBrokers); brokers += zones {
		stored := n.onDisk(int64(float64(n.average())*n.Retention.Seconds())) / brokers * int64(n.ReplicationFactor)
		whole, _, _ := n.demand(brokers)
		lost, _, _ := n.demand(brokers - 1)
		writes := max(whole*100/(100-n.HeadroomPercent), lost)
		for _, s := range n.stores(i, stored, writes) {
			if done[s.class()] {
				continue
			}
			c := &Candidate{Instance: i.Name, Store: s, Brokers: brokers, StoredBytes: stored, Whole: n.uses(i, s, brokers), Lost: n.uses(i, s, brokers-1)}
			if c.Whole[0].Percent() > float64(100-n.HeadroomPercent) || c.Lost[0].Percent() > 100 {
				continue
			}
			holds, err := n.finish(c)
			if err != nil {
				return nil, err
			}
			if holds {
				done[s.class()] = true
				found = append(found, c)
			}
		}
	}
	return found, nil
}

// finish adds what it costs and how it is rebuilt; false if a lost broker would
// not be in sync again in time.
func (n Need) finish(c *Candidate) (bool, error) {
	p := n.plan(c.Brokers, n.peak())
	p.StoredBytes = c.StoredBytes
	var err error
	if c.Host, err = compare.Refill(p, c.Configuration(), compare.HostLost, 0); err != nil {
		return false, err
	}
	if c.Storage, err = compare.Refill(p, c.Configuration(), compare.StorageLost, 0); err != nil {
		return false, err
	}
	if c.Host.Never || c.Storage.Never || max(c.Host.Exposed(), c.Storage.Exposed()) > n.RebuildWithin {
		return false, nil
	}
	// A course of a rebuild is a picture that nobody draws of every candidate.
	c.Host.Points, c.Storage.Points = nil, nil
	p.LoadBytesPerSecond, p.CrossZone = n.average(), n.Zones > 1
	if c.Bill, err = compare.Price(p, c.Configuration()); err != nil {
		return false, err
	}
	if n.Zones > 1 {
		err = n.clientsTransfer(&c.Bill)
	}
	return true, err
}

// clientsTransfer adds what passes between zones from producers and to
// consumers: a leader is in the zone of a client once in so many times.
func (n Need) clientsTransfer(b *compare.Bill) error {
	price, err := ec2.Default().Price("cross-AZ transfer, both directions")
	if err != nil {
		return err
	}
	copies := int64(1)
	if !n.FollowerFetch {
		copies += int64(n.Groups)
	}
	const secondsPerMonth = ec2.HoursPerMonth * 3600
	gb := n.average() / int64(n.Zones) * int64(n.Zones-1) * copies * secondsPerMonth / 1e9
	b.Lines = append(b.Lines, compare.BillLine{
		What: fmt.Sprintf("%d GB of producers and consumers between zones", gb), Group: compare.GroupTransfer, MicroUSD: gb * price.MicroUSD,
		Date: price.Date, Basis: price.Provenance.Basis.String(), Source: price.Provenance.Source,
	})
	return nil
}

// plan is the need as compare has it, for so many brokers and bytes per second.
func (n Need) plan(brokers, bytesPerSecond int64) compare.Plan {
	p := compare.DefaultPlan()
	p.Configurations = nil
	p.Brokers, p.ReplicationFactor, p.MinISR, p.Partitions = int(brokers), n.ReplicationFactor, n.MinISR, n.Partitions
	p.RecordBytes, p.BatchBytes, p.Linger, p.Costs, p.Seed = n.RecordBytes, n.BatchBytes, n.Linger, n.Costs, n.Seed
	p.Groups, p.LoadBytesPerSecond, p.Away = n.Groups, bytesPerSecond, n.Away
	if n.Groups == 0 {
		p.Consumers = 0
	}
	p.Window = 2 * time.Second
	return p
}
