package compare

import (
	"fmt"

	"github.com/weirlab/weir/sim/ec2"
)

// Bill is what a configuration costs in a month of [ec2.HoursPerMonth], in
// us-east-1, on demand.
type Bill struct {
	Lines []BillLine `json:"lines"`
}

// BillLine is one line of a bill.
type BillLine struct {
	What     string `json:"what"` // "3 x i3en.2xlarge"
	Group    string `json:"group"`
	MicroUSD int64  `json:"micro_usd_per_month"`
	Date     string `json:"date,omitempty"` // of the price
	Basis    string `json:"basis"`
	Source   string `json:"source"`
}

// Groups of lines.
const (
	GroupInstances = "instances"
	GroupVolumes   = "volumes"
	GroupTransfer  = "transfer"
)

// MicroUSD is the sum, in micro-dollars per month.
func (b Bill) MicroUSD() int64 { return b.of("") }

// USD is the sum in dollars per month.
func (b Bill) USD() float64 { return float64(b.MicroUSD()) / 1e6 }

// of is the sum of a group, or of all.
func (b Bill) of(group string) (sum int64) {
	for _, l := range b.Lines {
		if group == "" || l.Group == group {
			sum += l.MicroUSD
		}
	}
	return sum
}

// Price adds up what a configuration costs under a plan.
func Price(p Plan, c Configuration) (Bill, error) {
	catalogue := ec2.Default()
	i, err := catalogue.Instance(c.Instance)
	if err != nil {
		return Bill{}, err
	}
	n := int64(p.Brokers)
	b := Bill{Lines: []BillLine{{
		What: fmt.Sprintf("%d × %s", n, c.Instance), Group: GroupInstances, MicroUSD: n * i.MonthlyPrice(),
		Basis: i.Provenance.Basis.String(), Source: i.Provenance.Source,
	}}}
	if c.Volume != nil {
		charges, err := catalogue.VolumePrice(*c.Volume)
		if err != nil {
			return Bill{}, err
		}
		for _, l := range charges {
			b.Lines = append(b.Lines, BillLine{
				What: fmt.Sprintf("%d × %d %s of %s", n, l.Units, l.Price.Unit, l.Price.Item), Group: GroupVolumes, MicroUSD: n * l.MicroUSD(),
				Date: l.Price.Date, Basis: l.Price.Provenance.Basis.String(), Source: l.Price.Provenance.Source,
			})
		}
	}
	if p.CrossZone && p.ReplicationFactor > 1 {
		price, err := catalogue.Price("cross-AZ transfer, both directions")
		if err != nil {
			return Bill{}, err
		}
		// Every replica but the leader's is in another zone; a GB is 10^9 bytes.
		const secondsPerMonth = ec2.HoursPerMonth * 3600
		gb := p.LoadBytesPerSecond * int64(p.ReplicationFactor-1) * secondsPerMonth / 1e9
		b.Lines = append(b.Lines, BillLine{
			What: fmt.Sprintf("%d GB of replication between zones", gb), Group: GroupTransfer, MicroUSD: gb * price.MicroUSD,
			Date: price.Date, Basis: price.Provenance.Basis.String(), Source: price.Provenance.Source,
		})
	}
	return b, nil
}
