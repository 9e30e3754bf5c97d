// Package osenv is exempt: it is the operating system.
package osenv

import "sync"

var mu sync.Mutex

func run(fn func()) { go fn() }
