// Package scenarios holds the scenario files that come with Weir, one per
// question that somebody asks.
package scenarios

import "embed"

// Files are the scenario files by name.
//
//go:embed *.yaml
var Files embed.FS

// Default is the scenario that "weir run" runs without arguments.
const Default = "quickstart.yaml"
