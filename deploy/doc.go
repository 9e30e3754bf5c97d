// Package deploy holds what runs campaigns on many machines: scripts and
// manifests, and the tests that hold them to the program.
package deploy
