package sim

import (
	"github.com/weirlab/weir/sim/simnet"
	"github.com/weirlab/weir/workloads/scenario"
)

// zones are the racks of a cluster that are availability zones: brokers and
// clients take turns in them, and the way from one to another is longer. The
// zero value is one zone.
type zones struct {
	net    *simnet.Network
	count  int // 0 if racks are of one zone
	hosts  []placed
	guests int // clients placed so far
}

type placed struct {
	name string
	zone int
}

func newZones(net *simnet.Network, s *scenario.Scenario) zones {
	if s.Cluster.BetweenRacks != scenario.CrossZone {
		return zones{}
	}
	return zones{net: net, count: int(s.Cluster.Racks.Value())}
}

// place puts a host into a zone, the turn-th of its kind.
func (z *zones) place(host string, turn int) {
	if z.count == 0 {
		return
	}
	p := placed{host, turn % z.count}
	for _, other := range z.hosts {
		if other.zone != p.zone {
			z.net.SetLink(host, other.name, simnet.OtherZone())
			z.net.SetLink(other.name, host, simnet.OtherZone())
		}
	}
	z.hosts = append(z.hosts, p)
}
