package campaign

import (
	"encoding/xml"
	"fmt"
	"strings"

	"github.com/weirlab/weir/workloads/campaign"
)

// The elements of JUnit's XML that build servers agree on, after
// https://github.com/testmoapp/junitxml.
type (
	testSuites struct {
		XMLName xml.Name     `xml:"testsuites"`
		Suites  []*testSuite `xml:"testsuite"`
	}
	testSuite struct {
		Name       string     `xml:"name,attr"`
		Tests      int        `xml:"tests,attr"`
		Failures   int        `xml:"failures,attr"`
		Errors     int        `xml:"errors,attr"`
		Time       string     `xml:"time,attr"` // seconds
		Timestamp  string     `xml:"timestamp,attr"`
		Properties []property `xml:"properties>property"`
		Cases      []testCase `xml:"testcase"`
	}
	property struct {
		Name  string `xml:"name,attr"`
		Value string `xml:"value,attr"`
	}
	testCase struct {
		Class   string   `xml:"classname,attr"`
		Name    string   `xml:"name,attr"`
		Time    string   `xml:"time,attr"`
		Failure *outcome `xml:"failure,omitempty"`
		Error   *outcome `xml:"error,omitempty"`
	}
	outcome struct {
		Message string `xml:"message,attr"`
		Text    string `xml:",chardata"`
	}
)

// JUnit is the campaign as test cases: one for the scenario, whose failure
// lists the findings; one for each doubt about the campaign itself. Seeds are
// no cases of their own, since build servers compare names between builds.
func JUnit(m *campaign.Merged) ([]byte, error) {
	suite := &testSuite{
		Name: "weir campaign " + m.Manifest.Scenario, Time: fmt.Sprintf("%.3f", m.Manifest.Wall.Seconds()),
		Timestamp: m.Manifest.Started.UTC().Format("2006-01-02T15:04:05"),
		Properties: []property{
			{"campaign", m.Manifest.Campaign}, {"commit", m.Manifest.Commit}, {"sha256", m.Manifest.Binary}, {"seeds", seedsFact(m)}, {"canary", canaryFact(m)},
		},
	}
	add := func(name string, failure, trouble *outcome) {
		suite.Tests++
		if failure != nil {
			suite.Failures++
		}
		if trouble != nil {
			suite.Errors++
		}
		suite.Cases = append(suite.Cases, testCase{Class: "weir.campaign." + m.Manifest.Scenario, Name: name, Time: "0", Failure: failure, Error: trouble})
	}
	var broken *outcome
	if groups := campaign.Groups(m.Results); len(groups) > 0 {
		var text strings.Builder
		for _, g := range groups {
			_, _ = fmt.Fprintf(&text, "%d seeds: %s\n", len(g.Seeds), g.Signature)
			for _, f := range g.Fastest.Findings {
				_, _ = fmt.Fprintf(&text, "  %s\n", f)
			}
			_, _ = fmt.Fprintf(&text, "  smallest seed %s; reproduce the fastest: %s\n", g.Smallest.Seed, g.Fastest.Command)
		}
		broken = &outcome{headline(m), text.String()}
	}
	add("every promise is kept", broken, nil)
	var doubt *outcome
	if all := doubts(m); len(all) > 0 {
		doubt = &outcome{all[0], strings.Join(all, "\n")}
	}
	add("the campaign is whole", nil, doubt)
	text, err := xml.MarshalIndent(testSuites{Suites: []*testSuite{suite}}, "", "  ")
	return append([]byte(xml.Header), append(text, '\n')...), err
}
