package broker_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// What has settings is listed by kind, all kinds if none is named; before they could
// be named, subscriptions to metrics were meant.
func TestConfigResourcesAreListedByKind(t *testing.T) {
	ctx := testContext(t)
	c := startCluster(t, 1, nil)
	c.createTopic(ctx, "orders", 1)
	cl := c.client()
	alter := kmsg.NewPtrIncrementalAlterConfigsRequest()
	alter.Resources = []kmsg.IncrementalAlterConfigsRequestResource{{ResourceType: kmsg.ConfigResourceTypeGroupConfig, ResourceName: "g",
		Configs: []kmsg.IncrementalAlterConfigsRequestResourceConfig{{Name: "consumer.heartbeat.interval.ms", Value: kmsg.StringPtr("7000")}}}}
	altered, err := cl.Broker(1).Request(ctx, alter)
	require.NoError(t, err)
	require.Zero(t, altered.(*kmsg.IncrementalAlterConfigsResponse).Resources[0].ErrorCode)
	require.Eventually(t, func() bool {
		describe := kmsg.NewPtrDescribeConfigsRequest()
		describe.Resources = []kmsg.DescribeConfigsRequestResource{{ResourceType: kmsg.ConfigResourceTypeGroupConfig, ResourceName: "g",
			ConfigNames: []string{"consumer.heartbeat.interval.ms"}}}
		described, err := cl.Broker(1).Request(ctx, describe)
		require.NoError(t, err)
		configs := described.(*kmsg.DescribeConfigsResponse).Resources[0].Configs
		return len(configs) == 1 && *configs[0].Value == "7000" && configs[0].Source == kmsg.ConfigSourceGroupConfig
	}, 10*time.Second, 10*time.Millisecond)
	list := func(version int16, kinds ...int8) (code int16, names []string) {
		resp, err := cl.Broker(1).Request(ctx, pinned{&kmsg.ListConfigResourcesRequest{ResourceTypes: kinds}, version})
		require.NoError(t, err)
		answer := resp.(*kmsg.ListConfigResourcesResponse)
		for _, r := range answer.ConfigResources {
			names = append(names, kmsg.ConfigResourceType(r.Type).String()+" "+r.Name)
		}
		return answer.ErrorCode, names
	}
	for _, ask := range []struct {
		version int16
		kinds   []int8
		names   []string
	}{
		{version: 0},
		{version: 1, names: []string{"TOPIC orders", "BROKER 1", "GROUP_CONFIG g"}},
		{version: 1, kinds: []int8{2}, names: []string{"TOPIC orders"}},
		{version: 1, kinds: []int8{32}, names: []string{"GROUP_CONFIG g"}},
		{version: 1, kinds: []int8{16, 4}, names: []string{"BROKER 1"}},
	} {
		code, names := list(ask.version, ask.kinds...)
		require.Zero(t, code)
		require.Equal(t, ask.names, names, "v%d %v", ask.version, ask.kinds)
	}
	code, names := list(1, 2, 77)
	require.Equal(t, kerr.UnsupportedVersion.Code, code)
	require.Empty(t, names)
}
