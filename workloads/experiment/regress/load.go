package regress

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Sizes of the load.
const (
	valueBytes   = 1024 // of each record
	batchRecords = 16   // of the load with batches
	fetchBytes   = 256 << 10
	preload      = 20 // batches written to each partition to be fetched
)

// load is one kind of fixed work. A slice of it is requests that so many
// connections make in closed loop: each sends its next one when the last was
// answered.
type load struct {
	name     string // of the benchmark
	title    string
	workers  int
	requests int           // of a slice
	records  int           // of a request
	pause    time.Duration // before a request: evenly distributed up to this
	do       func(c *cluster, worker int) (bytes int, err error)
}

// The loads. Forty-eight requests in flight, or pauses drawn at random, are
// more than taste: with few connections and no pauses the requests fall into
// step with the fetches of the followers, in one of several ways that a process
// keeps for its life and that differ by 15 % in what a record costs.
var loads = []load{
	{
		name: "saturate", title: "one record of 1 KiB in a request, acks=all, 48 in flight",
		workers: 48, requests: 1600, records: 1,
		do: func(c *cluster, w int) (int, error) { return c.produce(w, c.single[w%partitions]) },
	},
	{
		name: "paced", title: "the same on 24 connections that pause for 0 to 2 ms",
		workers: 24, requests: 800, records: 1, pause: 2 * time.Millisecond,
		do: func(c *cluster, w int) (int, error) { return c.produce(w, c.single[w%partitions]) },
	},
	{
		name: "batch", title: "batches of 16 records of 1 KiB, acks=all, 24 in flight",
		workers: 24, requests: 320, records: batchRecords,
		do: func(c *cluster, w int) (int, error) { return c.produce(w, c.batch[w%partitions]) },
	},
	{
		name: "fetch", title: "fetches of 256 KiB from the page cache, 12 in flight",
		workers: 12, requests: 200, records: fetchBytes / valueBytes,
		do: func(c *cluster, w int) (int, error) { return c.consume(w, c.fetch[w%partitions]) },
	},
}

const mostWorkers = 48

// Slice is one piece of load on one cluster.
type Slice struct {
	Load     string        `json:"load"`
	Requests int           `json:"requests"`
	Bytes    int64         `json:"bytes"` // of record batches, sent or received
	Wall     time.Duration `json:"wall_ns"`
	// CPU is the processor time of the brokers; 0 where the system does not
	// tell that of another process.
	CPU time.Duration `json:"cpu_ns,omitempty"`
	// Latencies of the requests.
	P50 time.Duration `json:"p50_ns"`
	P99 time.Duration `json:"p99_ns"`
}

// slice runs a part of the load on the cluster.
func (c *cluster) slice(l load) (Slice, error) {
	s := Slice{Load: l.name, Requests: l.requests}
	before, err := processCPU(c.cmd.Process.Pid)
	if err != nil {
		return s, err
	}
	var left, bytes atomic.Int64
	left.Store(int64(l.requests))
	latencies, errs := make([][]time.Duration, l.workers), make([]error, l.workers)
	var wg sync.WaitGroup
	start := time.Now()
	for w := range l.workers {
		wg.Go(func() {
			for left.Add(-1) >= 0 {
				if l.pause > 0 {
					time.Sleep(rand.N(l.pause))
				}
				sent := time.Now()
				n, err := l.do(c, w)
				if err != nil {
					errs[w] = err
					return
				}
				latencies[w] = append(latencies[w], time.Since(sent))
				bytes.Add(int64(n))
			}
		})
	}
	wg.Wait()
	s.Wall = time.Since(start)
	after, err := processCPU(c.cmd.Process.Pid)
	if err := errors.Join(append(errs, err)...); err != nil {
		return s, fmt.Errorf("load %s: %w", l.name, err)
	}
	s.CPU, s.Bytes = after-before, bytes.Load()
	all := slices.Sorted(slices.Values(slices.Concat(latencies...)))
	s.P50, s.P99 = all[len(all)/2], all[len(all)*99/100]
	return s, nil
}

func (c *cluster) produce(w int, frame []byte) (int, error) {
	body, err := c.wires[w].roundTrip(frame)
	if err != nil {
		return 0, err
	}
	return len(frame), produceError(body)
}

func (c *cluster) consume(w int, frame []byte) (int, error) {
	body, err := c.wires[w].roundTrip(frame)
	if err != nil {
		return 0, err
	}
	return fetched(body)
}

// fill writes what is to be fetched, the same to each partition.
func (c *cluster) fill() error {
	var wg sync.WaitGroup
	errs := make([]error, partitions)
	for p := range partitions {
		wg.Go(func() {
			for range preload {
				if _, err := c.produce(p, c.batch[p]); err != nil {
					errs[p] = err
					return
				}
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}
