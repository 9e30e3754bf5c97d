package main

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/weirlab/weir/env/osenv"
	"github.com/weirlab/weir/workloads/target"
)

// TestBrokersTellWhatTheyUsed produces to a broker and finds the work of it in
// the event log.
func TestBrokersTellWhatTheyUsed(t *testing.T) {
	addr := loopbackPorts(t, 1)[0]
	events := filepath.Join(t.TempDir(), "events.jsonl")
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- runBrokers(ctx, streams{out: io.Discard, err: io.Discard}, brokerFlags{
			nodes: 1, nodeID: 1, listen: addr, data: []string{t.TempDir(), t.TempDir()}, events: events, set: []string{"auto.create.topics.enable=true"},
		})
	}()
	defer stop()

	client, err := kgo.NewClient(kgo.SeedBrokers(addr), kgo.DefaultProduceTopic("t"), kgo.AllowAutoTopicCreation(), kgo.RecordDeliveryTimeout(20*time.Second))
	require.NoError(t, err)
	defer client.Close()
	for range 5 {
		require.NoError(t, client.ProduceSync(ctx, kgo.StringRecord("a record")).FirstErr())
	}
	stop()
	require.NoError(t, <-ended)

	f, err := os.Open(events)
	require.NoError(t, err)
	defer func() { _ = f.Close() }()
	var last osenv.Usage
	for lines := bufio.NewScanner(f); lines.Scan(); {
		var ev target.LoggedEvent
		require.NoError(t, json.Unmarshal(lines.Bytes(), &ev))
		if ev.Name == osenv.UsageEvent {
			last = osenv.ParseUsage(ev.Attrs)
		}
	}
	require.Positive(t, last.NetSentBytes)
	require.Positive(t, last.NetReceivedBytes)
	calls := map[string]int64{}
	for _, w := range last.Work {
		calls[w.Op] = w.Calls
	}
	require.EqualValues(t, 5, calls["request.produce"])
	require.GreaterOrEqual(t, calls["storage.append"], int64(5))
	require.Greater(t, calls["response"], calls["request.produce"])
}
