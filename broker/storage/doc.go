// Package storage is one replica's log: segments of record batches with their
// indexes, leader epochs and producer state, on an env.FS.
package storage
