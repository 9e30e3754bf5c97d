package mutants

import (
	"bytes"
	_ "embed" // the list of known finds
	"encoding/json"
	"fmt"

	"github.com/weirlab/weir/workloads/scenario"
)

// Known is where a bug was found.
type Known struct {
	Bug       string        `json:"bug"`      // its name
	Scenario  string        `json:"scenario"` // a built-in one
	Seed      scenario.Seed `json:"seed"`
	Signature string        `json:"signature"`
}

//go:embed known.jsonl
var knownText []byte

// KnownFile is where the list of known finds lies in the source tree.
const KnownFile = "workloads/mutants/known.jsonl"

// KnownFinds lists the finds that are kept.
func KnownFinds() ([]Known, error) { return readKnown(knownText) }

func readKnown(text []byte) ([]Known, error) {
	var list []Known
	for line := range bytes.Lines(text) {
		var k Known
		if err := json.Unmarshal(line, &k); err != nil {
			return nil, fmt.Errorf("%s: line %d: %w", KnownFile, len(list)+1, err)
		}
		list = append(list, k)
	}
	return list, nil
}

// Keep is the list with what a search has found: finds of the same bug in the
// same scenario are replaced.
func Keep(list []Known, s *Score) []byte {
	fresh := map[string]Known{}
	for _, r := range s.Rows {
		if r.Find != nil {
			fresh[r.Name] = Known{Bug: r.Name, Scenario: s.Scenario, Seed: r.Find.Seed, Signature: r.Find.Signature}
		}
	}
	var out []Known
	for _, k := range list {
		if _, again := fresh[k.Bug]; !again {
			out = append(out, k)
		}
	}
	for _, r := range s.Rows { // in the order of the bank
		if k, ok := fresh[r.Name]; ok {
			out = append(out, k)
		}
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	for _, k := range out {
		_ = enc.Encode(k) // strings and a number
	}
	return b.Bytes()
}
