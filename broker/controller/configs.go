package controller

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirlab/weir/broker/config"
	"github.com/weirlab/weir/broker/metadata"
	"github.com/weirlab/weir/env"
)

// alterConfigs is IncrementalAlterConfigs (KIP-339) for topics and brokers.
// Each resource changes as a whole or not at all.
func (m *machine) alterConfigs(t *txn, req *kmsg.IncrementalAlterConfigsRequest) kmsg.Response {
	resp := req.ResponseKind().(*kmsg.IncrementalAlterConfigsResponse)
	named := resources{}
	for _, res := range req.Resources {
		out := kmsg.NewIncrementalAlterConfigsResponseResource()
		out.ResourceType, out.ResourceName = res.ResourceType, res.ResourceName
		out.ErrorCode, out.ErrorMessage = named.once(res.ResourceType, res.ResourceName, func() (*kerr.Error, string) {
			return m.alterResource(t, &res, req.ValidateOnly)
		})
		resp.Resources = append(resp.Resources, out)
	}
	return resp
}

// resources are those that a request has named so far.
type resources map[resource]bool

type resource struct {
	kind kmsg.ConfigResourceType
	name string
}

// once changes a resource, unless the request has named it before, and returns
// what to answer.
func (r resources) once(kind kmsg.ConfigResourceType, name string, change func() (*kerr.Error, string)) (code int16, text *string) {
	err, why := kerr.InvalidRequest, "Each resource must appear at most once."
	if !r[resource{kind, name}] {
		r[resource{kind, name}] = true
		err, why = change()
	}
	if err == nil {
		return 0, nil
	}
	return err.Code, message(why)
}

func (m *machine) alterResource(t *txn, res *kmsg.IncrementalAlterConfigsRequestResource, validateOnly bool) (*kerr.Error, string) {
	present, err, text := m.presentConfigs(t, res.ResourceType, res.ResourceName)
	if err != nil {
		return err, text
	}
	next := map[string]*string{}
	for i := range res.Configs {
		c := &res.Configs[i]
		if _, dup := next[c.Name]; dup {
			return kerr.InvalidRequest, "Error due to duplicate config keys: " + c.Name
		}
		value, err, text := alteredValue(res.ResourceType, present, c)
		if err != nil {
			return err, text
		}
		if err, text := checkConfig(res.ResourceType, res.ResourceName, c.Name, value); err != nil {
			return err, text
		}
		next[c.Name] = value
	}
	if !validateOnly {
		m.setConfigs(t, res.ResourceType, res.ResourceName, present, next)
	}
	return nil, ""
}

// replaceConfigs is AlterConfigs: the settings given become all that a resource
// has of its own.
func (m *machine) replaceConfigs(t *txn, req *kmsg.AlterConfigsRequest) kmsg.Response {
	resp := req.ResponseKind().(*kmsg.AlterConfigsResponse)
	named := resources{}
	for _, res := range req.Resources {
		out := kmsg.NewAlterConfigsResponseResource()
		out.ResourceType, out.ResourceName = res.ResourceType, res.ResourceName
		out.ErrorCode, out.ErrorMessage = named.once(res.ResourceType, res.ResourceName, func() (*kerr.Error, string) {
			return m.replaceResource(t, &res, req.ValidateOnly)
		})
		resp.Resources = append(resp.Resources, out)
	}
	return resp
}

func (m *machine) replaceResource(t *txn, res *kmsg.AlterConfigsRequestResource, validateOnly bool) (*kerr.Error, string) {
	present, err, text := m.presentConfigs(t, res.ResourceType, res.ResourceName)
	if err != nil {
		return err, text
	}
	next := map[string]*string{}
	for _, c := range res.Configs {
		if _, dup := next[c.Name]; dup {
			return kerr.InvalidRequest, "Error due to duplicate config keys: " + c.Name
		}
		if c.Value == nil {
			return kerr.InvalidRequest, "Null value not supported for: " + c.Name
		}
		if err, text := checkConfig(res.ResourceType, res.ResourceName, c.Name, c.Value); err != nil {
			return err, text
		}
		next[c.Name] = c.Value
	}
	for name := range present { //weir:ordered a set
		if _, given := next[name]; !given {
			next[name] = nil
		}
	}
	if !validateOnly {
		m.setConfigs(t, res.ResourceType, res.ResourceName, present, next)
	}
	return nil, ""
}

// presentConfigs are the settings that a resource has of its own.
func (m *machine) presentConfigs(t *txn, kind kmsg.ConfigResourceType, name string) (map[string]string, *kerr.Error, string) {
	switch kind {
	case kmsg.ConfigResourceTypeTopic:
		topic := t.img().Topic(name)
		if topic == nil {
			return nil, kerr.UnknownTopicOrPartition, "The topic '" + name + "' does not exist."
		}
		return topic.Configs, nil, ""
	case kmsg.ConfigResourceTypeBroker:
		id, err := strconv.ParseInt(name, 10, 32)
		if name != "" && (err != nil || strconv.FormatInt(id, 10) != name) {
			return nil, kerr.InvalidRequest, fmt.Sprintf("Invalid broker name %q: want a broker id, or nothing for all brokers.", name)
		}
		return t.img().BrokerConfigs(name), nil, ""
	}
	if kind == kmsg.ConfigResourceTypeGroupConfig {
		if name == "" {
			return nil, kerr.InvalidRequest, "Default group resources are not allowed."
		}
		return t.img().GroupConfigs(name), nil, ""
	}
	return nil, kerr.InvalidRequest, fmt.Sprintf("Resource type %v has no dynamic configuration here: only topics, brokers and groups do.", kind)
}

// checkConfig says why a resource cannot have a value; nil stands for the
// removal of one. Removing what is not there, even what no resource can have,
// is as good as done.
func checkConfig(kind kmsg.ConfigResourceType, resource, name string, value *string) (*kerr.Error, string) {
	if value == nil {
		return nil, ""
	}
	if len(*value) > maxConfigValue {
		return kerr.InvalidConfig, fmt.Sprintf("The configuration value cannot be added because it exceeds the maximum value size of %d bytes.", maxConfigValue)
	}
	if kind == kmsg.ConfigResourceTypeTopic {
		if err := config.CheckTopic(name, *value); err != nil {
			return kerr.InvalidConfig, err.Error()
		}
		return nil, ""
	}
	if kind == kmsg.ConfigResourceTypeGroupConfig {
		if err := config.CheckGroup(name, *value); err != nil {
			return kerr.InvalidConfig, err.Error()
		}
		return nil, ""
	}
	if err := config.CheckUpdate(name, resource != ""); err != nil {
		if s := config.BrokerSetting(name); s != nil && s.Update == config.ReadOnly {
			return kerr.InvalidRequest, err.Error()
		}
		return kerr.InvalidConfig, err.Error()
	}
	if err := config.CheckBroker(name, *value); err != nil {
		return kerr.InvalidRequest, err.Error()
	}
	return nil, ""
}

// maxConfigValue is the longest value in bytes (Short.MAX_VALUE in Kafka).
const maxConfigValue = 1<<15 - 1

// setConfigs writes what changes, and what follows from it.
func (m *machine) setConfigs(t *txn, kind kmsg.ConfigResourceType, resource string, present map[string]string, next map[string]*string) {
	for _, name := range env.SortedKeys(next) {
		old, set := present[name]
		if value := next[name]; value == nil && !set || value != nil && set && *value == old {
			continue
		}
		t.add(&metadata.ConfigRecord{ResourceType: int8(kind), ResourceName: resource, Name: name, Value: next[name]})
	}
	if kind == kmsg.ConfigResourceTypeGroupConfig {
		return
	}
	// A smaller min.insync.replicas lets the high watermark move again, so the
	// ELR ends; allowing unclean elections may give a partition a leader.
	concerned := func() []*metadata.Topic {
		if kind == kmsg.ConfigResourceTypeTopic {
			return []*metadata.Topic{t.img().Topic(resource)}
		}
		return t.img().Topics()
	}
	m.settleMinISR(t, concerned())
	forPartitionsOf(concerned(),
		func(*metadata.Partition) bool { return true },
		func(p *metadata.Partition) { m.changePartition(t, p, p.ISR, noBroker, keepLeader) })
}

// alteredValue is a setting after one operation, nil if it is removed.
func alteredValue(kind kmsg.ConfigResourceType, present map[string]string, c *kmsg.IncrementalAlterConfigsRequestResourceConfig) (*string, *kerr.Error, string) {
	switch c.Op {
	case kmsg.IncrementalAlterConfigOpDelete:
		return nil, nil, ""
	case kmsg.IncrementalAlterConfigOpSet, kmsg.IncrementalAlterConfigOpAppend, kmsg.IncrementalAlterConfigOpSubtract:
	default:
		return nil, kerr.InvalidRequest, fmt.Sprintf("Unknown operation %d on %s.", c.Op, c.Name)
	}
	if c.Value == nil {
		return nil, kerr.InvalidRequest, "Null value not supported for: " + c.Name
	}
	if c.Op == kmsg.IncrementalAlterConfigOpSet {
		return c.Value, nil, ""
	}
	setting := config.TopicSetting(c.Name)
	switch kind {
	case kmsg.ConfigResourceTypeBroker:
		setting = config.BrokerSetting(c.Name)
	case kmsg.ConfigResourceTypeGroupConfig:
		setting = config.GroupSetting(c.Name)
	}
	if setting == nil || !setting.IsList() {
		op := "APPEND"
		if c.Op == kmsg.IncrementalAlterConfigOpSubtract {
			op = "SUBTRACT"
		}
		return nil, kerr.InvalidConfig, fmt.Sprintf("Can't %s to key %s because its type is not LIST.", op, c.Name)
	}
	value, set := present[c.Name]
	if !set {
		value = setting.Default // of the definition, whatever brokers have: ConfigurationControlManager.getParts
	}
	list := config.Words(value)
	for _, v := range config.Words(*c.Value) {
		at := slices.Index(list, v)
		switch {
		case c.Op == kmsg.IncrementalAlterConfigOpAppend && at < 0:
			list = append(list, v)
		case c.Op == kmsg.IncrementalAlterConfigOpSubtract && at >= 0:
			list = slices.Delete(list, at, at+1)
		}
	}
	return kmsg.StringPtr(strings.Join(list, ",")), nil, ""
}
