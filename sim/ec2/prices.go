package ec2

import "fmt"

// HoursPerMonth is the month of AWS's price lists.
const HoursPerMonth = 730

// Price is a row of a price list of us-east-1. A GB-month of AWS is a
// GiB-month.
type Price struct {
	Item     string // "gp3 storage"
	Unit     string // "GB-month", "hour"
	MicroUSD int64
	Date     string

	Provenance Provenance
}

func (c *Catalogue) addPrice(r *row) {
	c.Prices = append(c.Prices, Price{
		Item: r.name("item"), Unit: r.name("unit"), MicroUSD: r.fixed("usd", 6), Date: r.name("date"),
		Provenance: r.provenance(),
	})
}

// Price finds a row of the price list.
func (c *Catalogue) Price(item string) (Price, error) {
	for _, p := range c.Prices {
		if p.Item == item {
			return p, nil
		}
	}
	return Price{}, fmt.Errorf("ec2: the price list has no %q", item)
}

// Charge is one line of a bill: so many units at a price.
type Charge struct {
	Units int64
	Price Price
}

// MicroUSD is what the line comes to, per month.
func (l Charge) MicroUSD() int64 { return l.Units * l.Price.MicroUSD }

// VolumePrice is what a volume costs per month, line by line. IOPS of io2
// beyond 32,000 are charged as the first ones, because no readable source
// confirms the lower tiers: an upper bound.
func (c *Catalogue) VolumePrice(s VolumeSpec) ([]Charge, error) {
	s, err := s.provisioned()
	if err != nil {
		return nil, err
	}
	type line struct {
		units int64
		item  string
	}
	class := priceClass(s.Class)
	lines := []line{{s.GiB, class + " storage"}}
	switch class {
	case "gp3":
		lines = append(lines, line{s.IOPS - gp3IOPS, "gp3 IOPS above 3000"}, line{s.MiBps - gp3MiBps, "gp3 throughput above 125"})
	case "io2":
		lines = append(lines, line{s.IOPS, "io2 IOPS (first tier, <=32000)"})
	}
	var bill []Charge
	for _, l := range lines {
		if l.units == 0 {
			continue
		}
		p, err := c.Price(l.item)
		if err != nil {
			return nil, err
		}
		bill = append(bill, Charge{l.units, p})
	}
	return bill, nil
}

func priceClass(class string) string {
	if class == "gp3-until-2025" {
		return "gp3"
	}
	return class
}

// MonthlyPrice is what an instance costs on demand per month, in
// micro-dollars. Instance store is included.
func (i Instance) MonthlyPrice() int64 { return i.HourMicroUSD * HoursPerMonth }

// Total is the sum of a bill in micro-dollars per month.
func Total(bill []Charge) (microUSD int64) {
	for _, l := range bill {
		microUSD += l.MicroUSD()
	}
	return microUSD
}
