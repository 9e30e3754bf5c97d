// Package scenario reads scenario files: what cluster, under what load, with
// which faults.
//
// A scenario is YAML and strict: a key that is not known is an error that
// names the key, its line and the keys that would have been known. Kafka
// settings go by their Kafka names. Durations carry units ("500ms"), rates are
// records per second, sizes are bytes.
//
// A scenario has one topic and one program of each kind (topic:,
// load.producers: and so on) or lists of them (topics:, load.programs:). Readers
// ask [Scenario.TopicsUnderLoad] and [Load.Clients], which know both forms.
//
// Where a value may vary from seed to seed the file gives ranges and
// alternatives ("1 | 100..400", package drawn) and, for faults, bounds to draw
// within (faults.draw). [Scenario.Resolve] draws all of it, each value from a
// stream that its place in the file keys, cuts what is drawn to what fits
// together (settle.go; the rules are in docs/scenarios.md), and returns an
// explicit scenario, in which nothing is left to chance: it is what a run writes
// into its result directory, and what is edited, shrunk and replayed. Resolving an explicit scenario changes nothing.
package scenario
