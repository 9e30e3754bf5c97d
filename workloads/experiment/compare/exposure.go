package compare

import (
	"fmt"
	"time"

	"github.com/weirlab/weir/sim/ec2"
)

// Exposure is what a cluster may lose on a configuration.
type Exposure struct {
	// Events are what is left on one broker after each event.
	Events []Survival `json:"events"`
	// AnnualLoss is the vendor's rate of volumes that fail altogether, empty if
	// there is none.
	AnnualLoss string `json:"annual_loss,omitempty"`

	// Missing is how long one replica is missing after the loss of a host.
	Missing time.Duration `json:"missing"`
	// SecondPerMillion is in how many of a million such times another of the
	// brokers that hold the replicas fails too, if each machine fails once a
	// year: a measure to compare with, no forecast.
	SecondPerMillion int64 `json:"second_per_million"`
	// Meanwhile says what the cluster can do while a replica is missing.
	Meanwhile string `json:"meanwhile"`
	// Stopped says what is left when every broker stops at once.
	Stopped string `json:"stopped"`
}

// Survival is what an event leaves on one broker.
type Survival struct {
	Event   ec2.Event   `json:"event"`
	Outcome ec2.Outcome `json:"outcome"`
	Note    string      `json:"note"`
	Basis   string      `json:"basis"`
	Source  string      `json:"source"`
}

const year = 365 * 24 * time.Hour

// Expose looks up what survives and computes for how long a replica is
// missing.
func Expose(p Plan, c Configuration, host *Rebuild) (Exposure, error) {
	catalogue := ec2.Default()
	var x Exposure
	stop := ec2.Outcome("")
	for _, e := range ec2.Events() {
		s, err := catalogue.Survival(c.Class(), e)
		if err != nil {
			return Exposure{}, err
		}
		if e == ec2.Stop {
			stop = s.Outcome
		}
		x.Events = append(x.Events, Survival{e, s.Outcome, s.Note, s.Provenance.Basis.String(), s.Provenance.Source})
	}
	class, err := catalogue.Class(c.Class())
	if err != nil {
		return Exposure{}, err
	}
	x.AnnualLoss = class.AnnualLoss
	x.Missing = host.Exposed()
	x.SecondPerMillion = int64(float64(p.ReplicationFactor-1) * 1e6 * x.Missing.Seconds() / year.Seconds())
	x.Meanwhile = meanwhile(p)
	switch stop {
	case ec2.Lost:
		x.Stopped = "every acknowledged record is lost with the disks"
	default:
		x.Stopped = "the volumes keep what was written"
	}
	return x, nil
}

// meanwhile is what RF and min.insync.replicas leave when a replica is missing.
func meanwhile(p Plan) string {
	left := p.ReplicationFactor - 1
	switch {
	case left == 0:
		return "no replica is left: nothing can be read or written"
	case left < p.MinISR:
		return fmt.Sprintf("%d of %d replicas are left, fewer than min.insync.replicas %d: writes with acks=all are refused", left, p.ReplicationFactor, p.MinISR)
	case left == p.MinISR:
		return fmt.Sprintf("%d of %d replicas are left, just min.insync.replicas %d: the next failure stops writes with acks=all, and a record is on %d broker then", left, p.ReplicationFactor, p.MinISR, left-1)
	}
	return fmt.Sprintf("%d of %d replicas are left; %d more may fail before writes with acks=all stop", left, p.ReplicationFactor, left-p.MinISR)
}
