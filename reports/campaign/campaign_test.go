package campaign

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weirlab/weir/reports/internal/browsertest"
	"github.com/weirlab/weir/reports/render"
	"github.com/weirlab/weir/workloads/campaign"
)

// merged is a campaign of night n: seeds in failing lost a record, and one
// shard may have been cut.
func merged(t *testing.T, n, seeds int, cut bool, failing ...int) *campaign.Merged {
	t.Helper()
	var parts []*campaign.Part
	for shard := 1; shard <= 2; shard++ {
		m := campaign.Manifest{Schema: campaign.Schema, Campaign: fmt.Sprintf("night-%d", n), Scenario: "harsh", Text: "name: harsh\n", Binary: "abcdef0123456789",
			Commit: fmt.Sprintf("%040d", n), From: "1", Seeds: seeds, Of: 2, Shards: []int{shard}, Started: time.Date(2026, 11, n, 1, shard, 0, 0, time.UTC),
			Wall: time.Minute, Ended: []string{campaign.Complete}, Canary: &campaign.Canary{Bug: "B1", Seeds: 3, Found: true, Seed: "0x3", Check: "K2"}}
		p := &campaign.Part{Dir: fmt.Sprint(shard), Manifest: m}
		for k := shard - 1; k < seeds; k += 2 {
			p.Results = append(p.Results, campaign.Result{Ordinal: k, Seed: m.Seed(k).String(), TraceHash: "1", Rerun: "same", Events: 1000, Simulated: 30 * time.Second, Wall: time.Duration(k+1) * time.Millisecond})
		}
		if cut && shard == 2 {
			p.Manifest.Ended, p.Results = []string{""}, p.Results[:len(p.Results)-1]
		}
		parts = append(parts, p)
	}
	m, err := campaign.Merge(parts...)
	require.NoError(t, err)
	for _, k := range failing {
		r := &m.Results[k]
		r.Exit, r.Signature, r.Command, r.Kept = 1, "K2: offset # of a partition is gone", "weir run harsh --seed "+r.Seed, "fail/"+r.Seed
		r.Findings = []string{fmt.Sprintf("K2: offset %d of orders-<0> is gone", k)}
	}
	return m
}

// What every shard reached is reached; a campaign that noted nothing says nothing.
func TestACampaignSaysWhichStatesWereNeverReached(t *testing.T) {
	m := merged(t, 1, 4, false)
	require.NotContains(t, Summary(m), "never reached")
	m.Results[0].NewStates = []string{"answer: Produce, NONE", "rare: storage/roll-early"}
	m.Results[1].NewStates = []string{"answer: Produce, NONE", "guard: eligible, leader"}
	said := Summary(m)
	require.Contains(t, said, "3 states reached; of ")
	var page bytes.Buffer
	require.NoError(t, render.HTML(&page, Document(m)))
	require.Contains(t, page.String(), "3 states reached; of ")
	require.Contains(t, page.String(), "storage/retain-more, storage/seal-late", "points that never fired")
	require.NotContains(t, page.String(), "storage/roll-early")
	require.Contains(t, page.String(), "guard: batch-epoch, broker-epoch, divergence-first")
}

func TestACampaignIsToldInEveryForm(t *testing.T) {
	dir := t.TempDir()
	m := merged(t, 1, 10, false, 2, 5)
	require.NoError(t, Write(dir, m))
	page, err := os.ReadFile(filepath.Join(dir, PageFile))
	require.NoError(t, err)
	markdown, err := os.ReadFile(filepath.Join(dir, MarkdownFile))
	require.NoError(t, err)
	for form, text := range map[string]string{"page": string(page), "markdown": string(markdown), "summary": Summary(m)} {
		for _, want := range []string{"harsh: 8 of 10 seeds passed", "K2: offset # of a partition is gone", "weir run harsh --seed 0x3", "B1 was found by K2 in seed 0x3"} {
			require.Contains(t, text, want, form)
		}
	}
	xmlText, err := os.ReadFile(filepath.Join(dir, JUnitFile))
	require.NoError(t, err)
	var suites testSuites
	require.NoError(t, xml.Unmarshal(xmlText, &suites))
	require.Len(t, suites.Suites, 1)
	s := suites.Suites[0]
	require.Equal(t, [3]int{2, 1, 0}, [3]int{s.Tests, s.Failures, s.Errors})
	require.Equal(t, "120.000", s.Time)
	require.Contains(t, s.Cases[0].Failure.Text, "2 seeds: K2: offset # of a partition is gone\n  K2: offset 2 of orders-<0> is gone")
	require.Contains(t, browsertest.Open(t, string(page)), "Campaign night-1")
}

func TestACampaignInDoubtSaysWhy(t *testing.T) {
	m := merged(t, 1, 10, true)
	m.Manifest.Canary.Found = false
	m.Conflicts = []campaign.Conflict{{One: campaign.Result{Seed: "0x7", TraceHash: "aa"}, Other: campaign.Result{Seed: "0x7", TraceHash: "bb"}}}
	for _, want := range []string{
		"The campaign is void: the planted bug B1 was not found in 3 seeds.",
		"Seed 0x7 came to two different ends: exit code 0 with trace aa, and 0 with bb.",
		"Shards 2 were cut short.",
		"1 seeds are missing: ordinals 9.",
	} {
		require.Contains(t, Summary(m), want)
	}
	text, err := JUnit(m)
	require.NoError(t, err)
	require.Contains(t, string(text), `errors="1"`)
}

func TestTheHistorySaysWhatIsNewAndWhatIsGone(t *testing.T) {
	nights := []Night{{merged(t, 1, 10, false, 2)}, {merged(t, 2, 20, false)}, {merged(t, 3, 20, true, 4)}}
	other := &nights[2].Results[5]
	other.Exit, other.Signature = 4, "K10: never healed"
	d := History(nights)
	var page bytes.Buffer
	require.NoError(t, render.HTML(&page, d))
	states := map[string]string{}
	for _, row := range d.Sections[1].Tables[0].Rows {
		states[row[0].Text] = row[6].Text
	}
	require.Equal(t, map[string]string{"K2: offset # of a partition is gone": "known", "K10: never healed": "new"}, states)
	for _, row := range History(nights[:2]).Sections[1].Tables[0].Rows {
		require.Equal(t, "not seen in the newest", row[6].Text)
	}
	require.Contains(t, browsertest.Open(t, page.String()), "Campaigns over time")

	dir := t.TempDir()
	require.NoError(t, WriteHistory(dir, nights))
	text, err := os.ReadFile(filepath.Join(dir, RecordsFile))
	require.NoError(t, err)
	var all []record
	require.NoError(t, json.Unmarshal(text, &all))
	require.Len(t, all, 3)
	require.Equal(t, metric{"seeds per hour", "seeds/h", 300}, all[0].Metrics[3])
}

func TestNightsJoinTheirShards(t *testing.T) {
	root := t.TempDir()
	for n := 1; n <= 2; n++ {
		m := merged(t, n, 6, false)
		require.NoError(t, m.Write(filepath.Join(root, fmt.Sprint(n))))
		require.NoError(t, m.Write(filepath.Join(root, fmt.Sprint(n), "again")))
	}
	nights, err := Nights([]string{filepath.Join(root, "2"), filepath.Join(root, "1"), filepath.Join(root, "2", "again")})
	require.NoError(t, err)
	require.Len(t, nights, 2)
	require.Equal(t, "night-1", nights[0].Manifest.Campaign)
	require.Len(t, nights[1].Results, 6)
	require.Equal(t, 2*time.Minute, nights[1].Manifest.Wall, "a copy of a shard worked no longer")
}
