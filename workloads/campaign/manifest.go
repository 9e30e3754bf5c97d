package campaign

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"slices"
	"strings"
	"time"

	"github.com/weirlab/weir/workloads/scenario"
)

// Schema is the value of Manifest.Schema that this version writes and reads.
const Schema = "weir.campaign/1"

// Ends of a campaign.
const (
	Complete = "complete"  // every seed that was asked for ran
	Budget   = "budget"    // its time was over
	FailFast = "fail-fast" // enough seeds failed
)

// Manifest is campaign.json: which campaign this is and what ran. Directories
// can be merged if everything above Shards is equal.
type Manifest struct {
	Schema   string `json:"schema"`
	Campaign string `json:"campaign"` // its name, the same on every shard

	Scenario string `json:"scenario"`
	// Text is the scenario as it was read, ranges and all.
	Text string `json:"text"`
	// Binary is the SHA-256 of the program: other code is another campaign.
	Binary  string   `json:"binary"`
	Commit  string   `json:"commit,omitempty"`
	Planted []string `json:"planted,omitempty"`
	// From is the first seed, "" if seeds are drawn from the campaign's name.
	From string `json:"from,omitempty"`
	// Seeds is how many the campaign has, 0 as many as its time allows.
	Seeds int `json:"seeds"`
	// Of is how many shards the campaign has, 1 if it is not divided.
	Of int `json:"of"`

	// Shards are those whose seeds are in this directory, counted from 1.
	Shards []int `json:"shards"`
	// Started is when the first of them began, Wall how long they worked
	// together.
	Started time.Time     `json:"started"`
	Wall    time.Duration `json:"wall_ns"`
	// Ended says how each shard in here came to its end, "" for one that was cut
	// short; parallel to Shards.
	Ended []string `json:"ended"`
	// Canary is the search for a planted bug that went before, nil if none did.
	Canary *Canary `json:"canary,omitempty"`
}

// Canary is a planted bug that a campaign must find to be worth anything.
type Canary struct {
	Bug   string `json:"bug"`
	Seeds int    `json:"seeds"` // that it had
	Found bool   `json:"found"`
	// Seed that found it, and the check that did.
	Seed  string `json:"seed,omitempty"`
	Check string `json:"check,omitempty"`
}

// Seed is the seed of an ordinal.
func (m *Manifest) Seed(ordinal int) scenario.Seed {
	if m.From != "" {
		from, _ := scenario.ParseSeed(m.From) // it was checked when the manifest was made
		return from + scenario.Seed(ordinal)
	}
	h := fnv.New64a()
	_, _ = h.Write([]byte(m.Campaign))
	_, _ = h.Write(binary.LittleEndian.AppendUint64(nil, uint64(ordinal)))
	return scenario.Seed(mix(h.Sum64()))
}

// mix is the finalizer of SplitMix64 (Steele, Lea and Flood, "Fast Splittable
// Pseudorandom Number Generators", 2014): FNV alone leaves neighbours alike.
func mix(x uint64) uint64 {
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// ShardOf is the shard, counted from 1, that an ordinal belongs to.
func (m *Manifest) ShardOf(ordinal int) int { return ordinal%m.Of + 1 }

// Mine says whether an ordinal belongs to a shard of this directory.
func (m *Manifest) Mine(ordinal int) bool { return slices.Contains(m.Shards, m.ShardOf(ordinal)) }

// Check says what is wrong with a manifest.
func (m *Manifest) Check() error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if m.Schema != Schema {
		bad("schema %q, but this version of weir reads %q", m.Schema, Schema)
	}
	if m.Campaign == "" {
		bad("the campaign has no name")
	}
	if m.From != "" {
		if _, err := scenario.ParseSeed(m.From); err != nil {
			bad("from: %w", err)
		}
	}
	if m.Seeds < 0 {
		bad("seeds is %d; give 0 or more", m.Seeds)
	}
	if m.Of < 1 {
		bad("of is %d; a campaign has at least one shard", m.Of)
	}
	for i, s := range m.Shards {
		if s < 1 || s > m.Of {
			bad("shard %d of %d; shards are counted from 1", s, m.Of)
		}
		if slices.Contains(m.Shards[:i], s) {
			bad("shard %d is listed twice", s)
		}
	}
	if len(m.Shards) == 0 || len(m.Ended) != len(m.Shards) {
		bad("%d shards and %d ends; each shard has one", len(m.Shards), len(m.Ended))
	}
	return errors.Join(errs...)
}

// same says in what two directories are not of one campaign, "" if they are.
func (m *Manifest) same(o *Manifest) error {
	var errs []error
	differ := func(what, remedy string, a, b any) {
		if a != b {
			errs = append(errs, fmt.Errorf("%s: %v here and %v there%s", what, a, b, remedy))
		}
	}
	differ("campaign", "", m.Campaign, o.Campaign)
	differ("scenario", "", m.Scenario, o.Scenario)
	if m.Scenario == o.Scenario && m.Text != o.Text {
		errs = append(errs, fmt.Errorf("the text of scenario %s is not the same", m.Scenario))
	}
	differ("SHA-256 of the program", "; what one program finds says nothing of another", short(m.Binary), short(o.Binary))
	differ("planted bugs", "", strings.Join(m.Planted, ","), strings.Join(o.Planted, ","))
	differ("first seed", "", m.From, o.From)
	differ("number of seeds", "", m.Seeds, o.Seeds)
	differ("number of shards", "", m.Of, o.Of)
	return errors.Join(errs...)
}

func short(hash string) string { return hash[:min(12, len(hash))] }
