package reports

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weirlab/weir/linearizability"
	"github.com/weirlab/weir/linearizability/story"
	"github.com/weirlab/weir/reports/internal/browsertest"
)

// explained adds an explanation to a result directory.
func explained(t *testing.T, dir string, change func(e *story.Explanation)) {
	s := func(at int64, broker int32, up, leader bool, epoch int32, end, high, synced int64, epochs ...story.Span) story.Sighting {
		return story.Sighting{At: time.Duration(at) * time.Millisecond, Broker: broker, Up: up, Leader: leader, LeaderEpoch: epoch, End: end, High: high, Synced: synced, Epochs: epochs}
	}
	old := story.Span{Epoch: 1}
	e := &story.Explanation{Schema: story.Schema,
		Finding:   linearizability.Finding{Code: "K2", Sentence: "offset 20 of orders-3 is absent", Topic: "orders", Partition: 3, Offset: 20},
		Signature: "K2: offset # of a partition is absent",
		Story: story.Story{Offset: 20, Epoch: 1, Lost: 6 * time.Second, Steps: []story.Step{
			{At: 5 * time.Second, Node: "client 7", Text: "client 7 sends <a record>"},
			{At: 5001 * time.Millisecond, Node: "broker-1", Text: "broker 1 appends it at offset 20"},
			{At: 5003 * time.Millisecond, Node: "broker-2", Text: "broker 2 cuts its log from offset 21 back to 20", Wrong: true, Line: 12},
			{At: 6 * time.Second, Node: "controller", Text: "the controller makes broker 2 leader in epoch 2", Wrong: true, Line: 14},
			{At: 9 * time.Second, Node: "the judge", Text: "offset 20 of orders-3 is absent"},
		}},
		Replicas: []story.Sighting{
			s(0, 1, true, true, 1, 20, 20, 10, old), s(0, 2, true, false, 1, 20, 20, 20, old), s(5001, 1, true, true, 1, 21, 20, 10, old),
			s(5002, 2, true, false, 1, 21, 20, 20, old), s(5003, 2, true, false, 1, 20, 20, 20, old), s(5004, 1, true, true, 1, 21, 21, 10, old),
			s(5900, 1, false, false, 0, 0, 0, 0), s(6000, 2, true, true, 2, 20, 20, 20, old), s(7000, 2, true, true, 2, 22, 20, 20, old, story.Span{Epoch: 2, From: 20}),
		},
		Messages: []story.Message{
			{Sent: 5 * time.Second, Arrived: 5001 * time.Millisecond, From: "producer-7", To: "broker-1", API: "Produce", Text: "1 record"},
			{Sent: 5001 * time.Millisecond, Arrived: 5002 * time.Millisecond, From: "broker-1", To: "broker-2", API: "Fetch", Answer: true, Text: "offsets 20 to 20"},
			{Sent: 5004 * time.Millisecond, Arrived: story.Never, From: "broker-1", To: "broker-2", API: "Fetch", Answer: true, Text: "high watermark 21"},
		},
		Forks:   []story.Fork{{At: time.Second, Runs: 16, Failed: 2}, {At: 5 * time.Second, Runs: 16, Failed: 9}, {At: 6 * time.Second, Runs: 15, Failed: 15}},
		Faults:  []story.Contribution{{Fault: "crash of broker-1 at 4s for 2s", Runs: 15, With: 9}, {Fault: "pause of broker-3 at 1s for 1s", Same: true}, {Fault: "restart of broker-2 at 1s for 1s", Other: true}},
		Missing: []string{"the budget of 2m0s ran out"}}
	if change != nil {
		change(e)
	}
	require.NoError(t, SaveExplanation(dir, e))
	again, err := LoadExplanation(dir)
	require.NoError(t, err)
	require.Equal(t, len(e.Story.Steps), len(again.Story.Steps))
}

func TestReportSaysWhy(t *testing.T) {
	dir := fixture(t)
	change(t, dir, failed)
	require.NoError(t, Write(dir))
	require.NotContains(t, readFile(t, dir, ReportFile), `id="why"`, "there is nothing to tell yet")
	explained(t, dir, nil)
	require.NoError(t, Write(dir))
	page := readFile(t, dir, ReportFile)
	for _, text := range []string{
		"client 7 sends &lt;a record&gt;", `class="wrong"`, "events.jsonl:12", "Messages that matter", "When it was bound to happen",
		"crash of broker-1 at 4s for 2s", "9 of 15", "0 of 15", "it still fails", "it fails in another way", "the budget of 2m0s ran out",
		`href="explanation.json"`, `href="messages.svg"`, `href="inevitable.png"`,
	} {
		require.Contains(t, page, text)
	}
	require.Empty(t, outside.FindAllString(page, -1))
	require.NotContains(t, page, "ZgotmplZ")
	require.NotRegexp(t, `(fill|stroke):#[0-9A-F]{6}`, page, "every colour follows light and dark")
	require.Less(t, len(page), 5<<20)
	for _, name := range []string{"messages", "inevitable"} {
		info, err := os.Stat(filepath.Join(dir, name+".png"))
		require.NoError(t, err)
		require.Positive(t, info.Size())
	}
}

// The largest explanation there may be makes a page that can be sent around.
func TestAReportWithMuchToExplainStaysSmall(t *testing.T) {
	dir := fixture(t)
	change(t, dir, failed)
	explained(t, dir, func(e *story.Explanation) {
		for i := range 5000 {
			s := e.Replicas[i%5]
			s.At = time.Duration(10_000+i) * time.Millisecond
			s.Epochs = append([]story.Span(nil), s.Epochs...)
			for n := range int32(10) {
				s.Epochs = append(s.Epochs, story.Span{Epoch: 2 + n, From: 21 + int64(n)})
			}
			e.Replicas = append(e.Replicas, s)
		}
	})
	require.NoError(t, Write(dir))
	require.Less(t, len(readFile(t, dir, ReportFile)), 5<<20)
}

// Whatever part of an explanation is missing, there is a page.
func TestReportsOfPoorExplanations(t *testing.T) {
	for i, less := range []func(e *story.Explanation){
		func(e *story.Explanation) { e.Replicas = nil },
		func(e *story.Explanation) { e.Messages = nil },
		func(e *story.Explanation) { e.Forks, e.Faults, e.Missing = e.Forks[:1], nil, nil },
		func(e *story.Explanation) { e.Story.Offset = linearizability.None },
		func(e *story.Explanation) {
			*e = story.Explanation{Schema: story.Schema, Story: story.Story{Steps: e.Story.Steps[4:], Offset: -1}}
		},
		func(e *story.Explanation) { *e = story.Explanation{Schema: story.Schema} },
	} {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			dir := fixture(t)
			explained(t, dir, less)
			require.NoError(t, Write(dir))
			require.Contains(t, readFile(t, dir, ReportFile), `id="why"`)
		})
	}
	dir := fixture(t)
	require.NoError(t, os.WriteFile(filepath.Join(dir, ExplanationFile), []byte(`{"schema":"weir.explanation/9"}`), 0o644))
	require.NoError(t, Write(dir))
	require.Contains(t, readFile(t, dir, ReportFile), "this version of weir reads")
}

// Chromium draws the logs, and what the reader chooses.
func TestTheLogsCanBeScrubbed(t *testing.T) {
	dir := fixture(t)
	change(t, dir, failed)
	explained(t, dir, nil)
	require.NoError(t, Write(dir))
	dom := browsertest.Open(t, strings.Replace(readFile(t, dir, ReportFile), "</body>", `<script>
		const first = document.getElementById("log-time").textContent;
		document.querySelectorAll(".story li")[1].click();
		document.body.dataset.read = [first, document.getElementById("log-time").textContent, document.querySelectorAll("#logs tr").length,
			document.querySelectorAll("#logs .it.unsynced").length, document.querySelectorAll(".story .shown").length].join("|");
	</script></body>`, 1))
	require.Contains(t, dom, `data-read="6.000 s|5.001 s|3|1|1"`)
}

func TestAnIntervalHoldsTheShare(t *testing.T) {
	for _, c := range []struct {
		failed, runs int
		low, high    float64
	}{{0, 16, 0, 0.194}, {16, 16, 0.806, 1}, {8, 16, 0.28, 0.72}, {1, 1, 0.207, 1}} {
		low, high := wilson(c.failed, c.runs)
		require.InDelta(t, c.low, low, 0.001)
		require.InDelta(t, c.high, high, 0.001)
	}
}

// A result directory is a case, with what is missing left out.
func TestACaseIsReadFromADirectory(t *testing.T) {
	dir := fixture(t)
	_, err := Case(dir)
	require.ErrorContains(t, err, "found nothing")
	change(t, dir, failed)
	c, err := Case(dir)
	require.NoError(t, err)
	require.NotEmpty(t, c.Events)
	require.Equal(t, 1, c.Events[0].Line)
	require.NotEmpty(t, c.History.Faults, "without a history the run's own")
	require.NoError(t, os.Remove(filepath.Join(dir, EventsFile)))
	c, err = Case(dir)
	require.NoError(t, err)
	require.Empty(t, c.Events)
	require.NotEmpty(t, story.Tell(c).Steps)
}
