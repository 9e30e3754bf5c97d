package controller

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirlab/weir/broker/metadata"
	"github.com/weirlab/weir/env"
)

// alterConfigs is IncrementalAlterConfigs (KIP-339) for topics and brokers.
// Each resource changes as a whole or not at all.
func (m *machine) alterConfigs(t *txn, req *kmsg.IncrementalAlterConfigsRequest) kmsg.Response {
	resp := req.ResponseKind().(*kmsg.IncrementalAlterConfigsResponse)
	for i, res := range req.Resources {
		out := kmsg.NewIncrementalAlterConfigsResponseResource()
		out.ResourceType, out.ResourceName = res.ResourceType, res.ResourceName
		var err *kerr.Error
		var text string
		if slices.ContainsFunc(req.Resources[:i], func(other kmsg.IncrementalAlterConfigsRequestResource) bool {
			return other.ResourceType == res.ResourceType && other.ResourceName == res.ResourceName
		}) {
			err, text = kerr.InvalidRequest, "Each resource must appear at most once."
		} else {
			err, text = m.alterResource(t, &res, req.ValidateOnly)
		}
		if err != nil {
			out.ErrorCode, out.ErrorMessage = err.Code, message(text)
		}
		resp.Resources = append(resp.Resources, out)
	}
	return resp
}

func (m *machine) alterResource(t *txn, res *kmsg.IncrementalAlterConfigsRequestResource, validateOnly bool) (*kerr.Error, string) {
	var present map[string]string
	switch res.ResourceType {
	case kmsg.ConfigResourceTypeTopic:
		topic := t.img().Topic(res.ResourceName)
		if topic == nil {
			return kerr.UnknownTopicOrPartition, "The topic '" + res.ResourceName + "' does not exist."
		}
		present = topic.Configs
	case kmsg.ConfigResourceTypeBroker:
		if _, err := strconv.ParseInt(res.ResourceName, 10, 32); err != nil && res.ResourceName != "" {
			return kerr.InvalidRequest, fmt.Sprintf("Invalid broker name %q: want a broker id, or nothing for all brokers.", res.ResourceName)
		}
		present = t.img().BrokerConfigs(res.ResourceName)
	default:
		return kerr.InvalidRequest, fmt.Sprintf("Resource type %v has no dynamic configuration here: only topics and brokers do.", res.ResourceType)
	}

	next := map[string]*string{}
	for _, c := range res.Configs {
		if _, dup := next[c.Name]; dup {
			return kerr.InvalidRequest, "Error due to duplicate config keys: " + c.Name
		}
		value, err, text := alteredValue(present[c.Name], &c)
		if err != nil {
			return err, text
		}
		if value != nil {
			if err := metadata.CheckTopicConfig(c.Name, *value); err != nil && res.ResourceType == kmsg.ConfigResourceTypeTopic {
				return kerr.InvalidConfig, err.Error()
			} else if err != nil && !strings.HasPrefix(err.Error(), "Unknown") {
				return kerr.InvalidConfig, err.Error()
			}
		}
		next[c.Name] = value
	}
	if validateOnly {
		return nil, ""
	}
	for _, name := range env.SortedKeys(next) {
		old, set := present[name]
		if value := next[name]; value == nil && !set || value != nil && set && *value == old {
			continue
		}
		t.add(&metadata.ConfigRecord{ResourceType: int8(res.ResourceType), ResourceName: res.ResourceName, Name: name, Value: next[name]})
	}
	// A smaller min.insync.replicas lets the high watermark move again, so the
	// ELR ends; allowing unclean elections may give a partition a leader.
	m.settleMinISR(t)
	forPartitions(t,
		func(p *metadata.Partition) bool {
			return res.ResourceType == kmsg.ConfigResourceTypeBroker || p.Topic == res.ResourceName
		},
		func(p *metadata.Partition) { m.changePartition(t, p, p.ISR, noBroker, keepLeader) })
	return nil, ""
}

// alteredValue is a setting after one operation, nil if it is removed.
func alteredValue(present string, c *kmsg.IncrementalAlterConfigsRequestResourceConfig) (*string, *kerr.Error, string) {
	if c.Op == kmsg.IncrementalAlterConfigOpDelete {
		return nil, nil, ""
	}
	if c.Value == nil {
		return nil, kerr.InvalidRequest, "Null value not supported for: " + c.Name
	}
	if c.Op == kmsg.IncrementalAlterConfigOpSet {
		return c.Value, nil, ""
	}
	if !metadata.IsTopicConfigList(c.Name) {
		return nil, kerr.InvalidConfig, fmt.Sprintf("Can't %v to key %s because its type is not LIST.", c.Op, c.Name)
	}
	var list []string
	if present != "" {
		list = strings.Split(present, ",")
	}
	switch c.Op {
	case kmsg.IncrementalAlterConfigOpAppend:
		for _, v := range strings.Split(*c.Value, ",") {
			if !slices.Contains(list, v) {
				list = append(list, v)
			}
		}
	case kmsg.IncrementalAlterConfigOpSubtract:
		gone := strings.Split(*c.Value, ",")
		list = slices.DeleteFunc(list, func(v string) bool { return slices.Contains(gone, v) })
	default:
		return nil, kerr.InvalidRequest, fmt.Sprintf("Unknown operation %d on %s.", c.Op, c.Name)
	}
	return kmsg.StringPtr(strings.Join(list, ",")), nil, ""
}
