package controller

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

type alteration struct {
	name  string
	op    kmsg.IncrementalAlterConfigOp
	value string
}

// alterConfigs changes settings of a topic, or of a broker if the name is a
// number or empty.
func (f *fixture) alterConfigs(resource string, validateOnly bool, changes ...alteration) (*kerr.Error, string) {
	req := kmsg.NewPtrIncrementalAlterConfigsRequest()
	req.ValidateOnly = validateOnly
	res := kmsg.NewIncrementalAlterConfigsRequestResource()
	res.ResourceType, res.ResourceName = kmsg.ConfigResourceTypeBroker, resource
	if strings.Trim(resource, "0123456789") != "" {
		res.ResourceType = kmsg.ConfigResourceTypeTopic
	}
	for _, c := range changes {
		res.Configs = append(res.Configs, kmsg.IncrementalAlterConfigsRequestResourceConfig{Name: c.name, Op: c.op, Value: kmsg.StringPtr(c.value)})
	}
	req.Resources = append(req.Resources, res)
	got := f.do(req).(*kmsg.IncrementalAlterConfigsResponse).Resources[0]
	if got.ErrorCode == 0 {
		return nil, ""
	}
	return kerr.TypedErrorForCode(got.ErrorCode), *got.ErrorMessage
}

const (
	set      = kmsg.IncrementalAlterConfigOpSet
	unset    = kmsg.IncrementalAlterConfigOpDelete
	extend   = kmsg.IncrementalAlterConfigOpAppend
	subtract = kmsg.IncrementalAlterConfigOpSubtract
)

// What Apache Kafka 4.3.1 answered to the same requests.
func TestAppendAndSubtractStartFromTheDefaultOfAList(t *testing.T) {
	f := newFixture(t, 1, 1)
	f.topic("t", 1)
	for _, step := range []struct {
		op          kmsg.IncrementalAlterConfigOp
		value, want string
	}{
		{extend, "compact", "delete,compact"},
		{subtract, "delete", "compact"},
		{extend, "compact", "compact"},
		{subtract, "compact", ""},
		{extend, "delete , compact", "delete,compact"},
		{unset, "", "unset"},
		{subtract, "delete", ""},
		{set, " delete , compact ", " delete , compact "},
		{extend, "delete", "delete,compact"},
	} {
		err, text := f.alterConfigs("t", false, alteration{"cleanup.policy", step.op, step.value})
		require.Nil(t, err, text)
		got, ok := f.img.Topic("t").Configs["cleanup.policy"]
		if !ok {
			got = "unset"
		}
		require.Equal(t, step.want, got, "after %v %q", step.op, step.value)
	}
	// The default is that of the definition, whatever brokers have.
	err, text := f.alterConfigs("", false, alteration{"log.cleanup.policy", extend, "compact"})
	require.Nil(t, err, text)
	require.Equal(t, "delete,compact", f.img.BrokerConfigs("")["log.cleanup.policy"])
	_, _ = f.alterConfigs("t", false, alteration{"cleanup.policy", unset, ""})
	_, _ = f.alterConfigs("t", false, alteration{"cleanup.policy", subtract, "delete"})
	require.Equal(t, "", f.img.Topic("t").Configs["cleanup.policy"])
}

func TestRefusalsOfAlterConfigsAreThoseOfKafka(t *testing.T) {
	for _, c := range []struct {
		resource string
		change   alteration
		want     *kerr.Error
		says     string
	}{
		{"t", alteration{"no.such", set, "1"}, kerr.InvalidConfig, "Unknown topic config name: no.such"},
		{"t", alteration{"retention.ms", set, "x"}, kerr.InvalidConfig, "Invalid value x for configuration retention.ms: Not a number of type LONG"},
		{"t", alteration{"retention.ms", extend, "1"}, kerr.InvalidConfig, "Can't APPEND to key retention.ms because its type is not LIST."},
		{"t", alteration{"retention.ms", subtract, "1"}, kerr.InvalidConfig, "Can't SUBTRACT to key retention.ms because its type is not LIST."},
		{"t", alteration{"cleanup.policy", extend, "shred"}, kerr.InvalidConfig, "Invalid value shred for configuration cleanup.policy: String must be one of: compact, delete"},
		{"t", alteration{"segment.bytes", set, "1000"}, kerr.InvalidConfig, "Invalid value 1000 for configuration segment.bytes: Value must be at least 1048576"},
		{"t", alteration{"retention.ms", 9, "1"}, kerr.InvalidRequest, "Unknown operation 9"},
		{"t", alteration{"retention.ms", set, strings.Repeat("1", 1<<15)}, kerr.InvalidConfig, "exceeds the maximum value size of 32767 bytes"},
		{"none", alteration{"retention.ms", set, "1"}, kerr.UnknownTopicOrPartition, "The topic 'none' does not exist."},
		{"1", alteration{"log.retention.hours", set, "1"}, kerr.InvalidRequest, "Cannot update these configs dynamically: [log.retention.hours]"},
		{"1", alteration{"num.partitions", set, "3"}, kerr.InvalidRequest, "Cannot update these configs dynamically: [num.partitions]"},
		{"", alteration{"num.partitions", set, "3"}, kerr.InvalidRequest, "Cannot update these configs dynamically: [num.partitions]"},
		{"1", alteration{"log.segment.bytes", set, "1000"}, kerr.InvalidRequest, "Invalid value 1000 for configuration log.segment.bytes: Value must be at least 1048576"},
		{"1", alteration{"min.insync.replicas", set, "2"}, kerr.InvalidConfig, "Broker-level min.insync.replicas cannot be altered while ELR is enabled."},
		// Kafka keeps these, for plugins that may know them.
		{"1", alteration{"no.such", set, "1"}, kerr.InvalidConfig, "unknown broker setting no.such"},
		{"", alteration{"retention.ms", set, "1"}, kerr.InvalidConfig, "unknown broker setting retention.ms"},
		{"01", alteration{"message.max.bytes", set, "1"}, kerr.InvalidRequest, "Invalid broker name"},
	} {
		f := newFixture(t, 1, 1)
		f.topic("t", 1)
		before := len(f.log)
		err, text := f.alterConfigs(c.resource, false, c.change)
		require.Equal(t, c.want, err, "%v: %s", c, text)
		require.Contains(t, text, c.says)
		err, _ = f.alterConfigs(c.resource, true, c.change)
		require.Equal(t, c.want, err, "validated only")
		require.Len(t, f.log, before, "a refused request writes nothing")
	}
}

func TestAResourceChangesAsAWholeOrNotAtAll(t *testing.T) {
	f := newFixture(t, 1, 1)
	f.topic("t", 1)
	err, _ := f.alterConfigs("t", false, alteration{"retention.ms", set, "5"}, alteration{"retention.bytes", set, "x"})
	require.Equal(t, kerr.InvalidConfig, err)
	require.Empty(t, f.img.Topic("t").Configs)
	err, _ = f.alterConfigs("t", false, alteration{"retention.ms", set, "5"}, alteration{"retention.ms", unset, ""})
	require.Equal(t, kerr.InvalidRequest, err)
	err, _ = f.alterConfigs("t", true, alteration{"retention.ms", set, "5"})
	require.Nil(t, err)
	require.Empty(t, f.img.Topic("t").Configs, "validated only")
	err, _ = f.alterConfigs("t", false, alteration{"retention.ms", set, "5"}, alteration{"no.such", unset, ""})
	require.Nil(t, err, "what nobody has can be removed")
	require.Equal(t, map[string]string{"retention.ms": "5"}, f.img.Topic("t").Configs)
}

func TestAlterConfigsReplacesEverything(t *testing.T) {
	f := newFixture(t, 1, 1)
	f.topic("t", 1)
	_, _ = f.alterConfigs("t", false, alteration{"retention.ms", set, "5"}, alteration{"flush.messages", set, "1"})
	replace := func(validateOnly bool, configs ...kmsg.AlterConfigsRequestResourceConfig) int16 {
		req := kmsg.NewPtrAlterConfigsRequest()
		req.ValidateOnly = validateOnly
		req.Resources = []kmsg.AlterConfigsRequestResource{{ResourceType: kmsg.ConfigResourceTypeTopic, ResourceName: "t", Configs: configs}}
		return f.do(req).(*kmsg.AlterConfigsResponse).Resources[0].ErrorCode
	}
	config := func(name, value string) kmsg.AlterConfigsRequestResourceConfig {
		return kmsg.AlterConfigsRequestResourceConfig{Name: name, Value: kmsg.StringPtr(value)}
	}
	require.Equal(t, kerr.InvalidConfig.Code, replace(false, config("segment.bytes", "1")))
	require.Zero(t, replace(true, config("retention.bytes", "7")))
	require.Equal(t, map[string]string{"retention.ms": "5", "flush.messages": "1"}, f.img.Topic("t").Configs)
	require.Zero(t, replace(false, config("retention.bytes", "7"), config("flush.messages", "1")))
	require.Equal(t, map[string]string{"retention.bytes": "7", "flush.messages": "1"}, f.img.Topic("t").Configs)
	require.Zero(t, replace(false))
	require.Empty(t, f.img.Topic("t").Configs)
}

// Every Java admin client reads the settings of a topic it has created, and
// cannot read null for a list.
func TestCreateTopicsAnswersEverySetting(t *testing.T) {
	f := newFixture(t, 1, 1)
	_, _ = f.alterConfigs("", false, alteration{"message.max.bytes", set, "5000"})
	for _, validateOnly := range []bool{true, false} {
		req := kmsg.NewPtrCreateTopicsRequest()
		req.Version, req.ValidateOnly = 7, validateOnly
		rt := kmsg.NewCreateTopicsRequestTopic()
		rt.Topic, rt.NumPartitions, rt.ReplicationFactor = "new", 1, 1
		rt.Configs = []kmsg.CreateTopicsRequestTopicConfig{{Name: "retention.ms", Value: kmsg.StringPtr("7")}}
		req.Topics = append(req.Topics, rt)
		got := f.do(req).(*kmsg.CreateTopicsResponse).Topics[0]
		require.Zero(t, got.ErrorCode)
		require.Len(t, got.Configs, 33)
		answered := map[string]kmsg.CreateTopicsResponseTopicConfig{}
		for _, c := range got.Configs {
			require.NotNil(t, c.Value, c.Name)
			answered[c.Name] = c
		}
		for name, want := range map[string]struct {
			value  string
			source kmsg.ConfigSource
		}{
			"retention.ms":      {"7", kmsg.ConfigSourceDynamicTopicConfig},
			"max.message.bytes": {"5000", kmsg.ConfigSourceDynamicDefaultBrokerConfig},
			"segment.bytes":     {"1073741824", kmsg.ConfigSourceDefaultConfig},
		} {
			require.Equal(t, want.value, *answered[name].Value, name)
			require.Equal(t, int8(want.source), answered[name].Source, name)
		}
	}
}
