// Package workloads drives simulations and does not run in them.
package workloads

func run(fn func()) { go fn() }
