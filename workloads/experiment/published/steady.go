package published

import (
	"fmt"

	"github.com/weirlab/weir/workloads/experiment/document"
)

// followersSection is the table of 2014 row by row, with how far the followers
// are behind: what is acknowledged by leaders alone can be more than a cluster
// copies. It is nil without those rows.
func (r *Result) followersSection() *document.Section {
	t := document.Table{
		Name: "published-followers", Title: "2014, row by row",
		Columns: []document.Column{
			{Name: "Row"}, {Name: "Role"}, {Name: "Published", Unit: "records/s", Number: true}, {Name: "Simulated", Unit: "records/s", Number: true}, {Name: "Error", Number: true},
			{Name: "Followers lack, when the window begins", Unit: "records", Number: true}, {Name: "and when it ends", Unit: "records", Number: true},
			{Name: "More every second", Unit: "records", Number: true}, {Name: "Steady state"},
		},
		Notes: []string{"What followers lack counts a record once for each of the two followers that lacks it. It is no steady state if that grows by more than a tenth of what is acknowledged: then followers leave the in-sync replicas, or replica.lag.max.messages has to be as large as LinkedIn set it."},
	}
	for i := range r.Rows {
		x := &r.Rows[i]
		m := x.Measurement
		if x.Row.Lab != LinkedIn || m == nil {
			continue
		}
		e, ok := x.ThroughputError()
		cells := []document.Cell{document.Words(x.Row.Name()), x.role(), wholeCell(x.Row.AckedPerSecond), wholeCell(m.AckedPerSecond), errorCell(e, ok, throughputTarget)}
		if x.Row.ReplicationFactor == 1 {
			none := document.Words("–").Marked(document.Neutral)
			t.Rows = append(t.Rows, append(cells, none, none, none, document.Words("yes: nothing is copied")))
			continue
		}
		grows, steady := m.FollowersFallBehind()
		says := "yes"
		if !steady {
			says = "no: followers fall behind as long as it lasts"
		}
		t.Rows = append(t.Rows, append(cells, wholeCell(float64(m.FollowerLagBefore)), wholeCell(float64(m.FollowerLag)), wholeCell(grows), document.Words(says)))
	}
	if len(t.Rows) == 0 {
		return nil
	}
	return &document.Section{
		Title: "LinkedIn's two million writes a second",
		Text: []string{
			"Three producers without waiting for followers (acks=1) push more into three cards of 1 Gbit/s than is left for two copies of it. The two million were acknowledged; they were not replicated at that rate.",
		},
		Tables: []document.Table{t},
	}
}

func wholeCell(v float64) document.Cell { return document.Quantity(v, "", fmt.Sprintf("%.0f", v)) }
