package broker

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirlab/weir/broker/brokertest/apachekafka"
)

// kafkasAPIs has a line for each request that Apache Kafka tells clients that it
// answers: key, versions, name.
var kafkasAPIs = filepath.Join("testdata", "kafkas-api-versions")

// kafkasVersions are the smallest and the largest version of each request.
func kafkasVersions(t *testing.T) map[int16][2]int16 {
	f, err := os.Open(kafkasAPIs)
	require.NoError(t, err)
	defer func() { require.NoError(t, f.Close()) }()
	all := map[int16][2]int16{}
	for lines := bufio.NewScanner(f); lines.Scan(); {
		var key int16
		var versions [2]int16
		_, err := fmt.Sscan(lines.Text(), &key, &versions[0], &versions[1])
		require.NoError(t, err, lines.Text())
		all[key] = versions
	}
	require.NotEmpty(t, all)
	return all
}

// TestVersionsOfKafka asks a broker of Apache Kafka which versions it answers.
// REWRITE=1 writes them anew.
func TestVersionsOfKafka(t *testing.T) {
	kafka := apachekafka.ForTest(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	c, err := kafka.Start(ctx, 1, t.TempDir())
	require.NoError(t, err)
	defer func() { require.NoError(t, c.Close()) }()
	cl, err := kgo.NewClient(kgo.SeedBrokers(c.Addrs()...))
	require.NoError(t, err)
	defer cl.Close()
	req := kmsg.NewPtrApiVersionsRequest()
	req.ClientSoftwareName, req.ClientSoftwareVersion = "weir", "1"
	resp, err := req.RequestWith(ctx, cl)
	require.NoError(t, err)
	var b strings.Builder
	for _, k := range resp.ApiKeys {
		fmt.Fprintln(&b, k.ApiKey, k.MinVersion, k.MaxVersion, kmsg.NameForKey(k.ApiKey))
	}
	if os.Getenv("REWRITE") != "" {
		require.NoError(t, os.MkdirAll(filepath.Dir(kafkasAPIs), 0o755))
		require.NoError(t, os.WriteFile(kafkasAPIs, []byte(b.String()), 0o644))
	}
	want, err := os.ReadFile(kafkasAPIs)
	require.NoError(t, err)
	require.Equal(t, string(want), b.String())
}
