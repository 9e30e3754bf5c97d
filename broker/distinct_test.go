package broker_test

import (
	"fmt"
	"reflect"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirlab/weir/broker/protocol"
	"github.com/weirlab/weir/env/osenv"
	"github.com/weirlab/weir/env/osenv/osenvtest"
)

// repeated makes every list in a request, but not bytes, n times as long, by
// naming the same things again.
func repeated(v reflect.Value, n int) {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			repeated(v.Elem(), n)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if f := v.Type().Field(i); f.IsExported() && f.Type != reflect.TypeFor[kmsg.Tags]() {
				repeated(v.Field(i), n)
			}
		}
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Uint8 || v.Len() == 0 {
			return
		}
		for i := range v.Len() {
			repeated(v.Index(i), n)
		}
		once := reflect.AppendSlice(reflect.Zero(v.Type()), v)
		for range n - 1 {
			v.Set(reflect.AppendSlice(v, once))
		}
	}
}

// A small request that names a large thing often would make an answer of any
// size.
func TestWhatIsNamedTwiceIsAnsweredOnce(t *testing.T) {
	const (
		times  = 20
		margin = 20 // answer bytes for each byte of the request, besides what is told once
	)
	ctx := testContext(t)
	c := startCluster(t, 1, nil)
	c.createTopic(ctx, "there", 50)
	adm := c.offsetsTopic(ctx)
	topics, err := adm.ListTopics(ctx, "there")
	require.NoError(t, err)
	var offsets kadm.Offsets
	offsets.Add(kadm.Offset{Topic: "there", Partition: 0, At: 1, LeaderEpoch: -1, Metadata: string(make([]byte, 4000))})
	require.Eventually(t, func() bool {
		resp, err := adm.CommitOffsets(ctx, "g", offsets)
		return err == nil && resp.Ok()
	}, 20*time.Second, 50*time.Millisecond)
	members := c.client(kgo.ConsumerGroup("g2"), kgo.ConsumeTopics("there"))
	require.Eventually(t, func() bool {
		g, err := adm.DescribeGroups(ctx, "g2")
		return err == nil && g["g2"].State == "Stable"
	}, 20*time.Second, 50*time.Millisecond)
	defer members.Close()

	e := osenvtest.New(t, osenv.Options{Root: t.TempDir(), Node: "client"})
	client, err := protocol.Dial(e, c.brokers[0].Addr(), "client", 5*time.Second)
	require.NoError(t, err)
	defer client.Close()
	requests := ordinaryRequests(topics["there"].ID, nil)
	requests[kmsg.DescribeGroups] = append(requests[kmsg.DescribeGroups], &kmsg.DescribeGroupsRequest{Groups: []string{"g2"}})
	versions, err := client.Request(func() kmsg.Request {
		r := kmsg.NewPtrApiVersionsRequest()
		r.Version, r.ClientSoftwareName, r.ClientSoftwareVersion = 3, "test", "1"
		return r
	}(), 10*time.Second)
	require.NoError(t, err)
	for _, api := range versions.(*kmsg.ApiVersionsResponse).ApiKeys {
		key := kmsg.Key(api.ApiKey)
		if notForClients[key] || key == kmsg.Produce || key == kmsg.Fetch || key == kmsg.JoinGroup { // bounded by what they carry or ask for
			continue
		}
		for i, req := range requests[key] {
			what := fmt.Sprintf("%s v%d, request %d", kmsg.NameForKey(api.ApiKey), api.MaxVersion, i)
			req.SetVersion(api.MaxVersion)
			once, err := client.Request(req, 10*time.Second)
			require.NoError(t, err, what)
			single := len(once.AppendTo(nil))
			repeated(reflect.ValueOf(req), times)
			often, err := client.Request(req, 10*time.Second)
			require.NoError(t, err, what)
			require.LessOrEqual(t, len(often.AppendTo(nil)), single+margin*len(req.AppendTo(nil)), what)
		}
	}
}
