package broker

import (
	"fmt"
	"slices"
	"strconv"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirlab/weir/broker/config"
	"github.com/weirlab/weir/broker/metadata"
	"github.com/weirlab/weir/broker/protocol"
)

// describeConfigsAPI is DescribeConfigs (key 32): the settings of topics, of
// groups, of this broker, and of all brokers by the name "", with where each value comes
// from.
//
//	v1 source and synonyms of a value (KIP-226); if asked for
//	v3 type and documentation (KIP-569); documentation if asked for
//	v4 flexible
func (b *Broker) describeConfigsAPI() protocol.API { return api(1, 4, b.describeConfigs) }

func (b *Broker) describeConfigs(_ *protocol.Call, req *kmsg.DescribeConfigsRequest) kmsg.Response {
	resp := kmsg.NewPtrDescribeConfigsResponse()
	image := b.controller.Image()
	req.Resources = distinct(req.Resources, resourceName)
	for i := range req.Resources {
		asked := &req.Resources[i]
		out := kmsg.NewDescribeConfigsResponseResource()
		out.ResourceType, out.ResourceName = asked.ResourceType, asked.ResourceName
		out.Configs = []kmsg.DescribeConfigsResponseResourceConfig{}
		described, err, text := b.describeResource(image, asked)
		if err != nil {
			out.ErrorCode, out.ErrorMessage = err.Code, kmsg.StringPtr(text)
		}
		for j := range described {
			if c := &described[j]; asked.ConfigNames == nil || slices.Contains(asked.ConfigNames, c.Name) {
				out.Configs = append(out.Configs, answer(c, req.IncludeSynonyms, req.IncludeDocumentation))
			}
		}
		resp.Resources = append(resp.Resources, out)
	}
	return resp
}

// resourceName tells the resources of a request apart.
func resourceName(r *kmsg.DescribeConfigsRequestResource) string {
	return strconv.Itoa(int(r.ResourceType)) + " " + r.ResourceName
}

func (b *Broker) describeResource(image *metadata.Image, asked *kmsg.DescribeConfigsRequestResource) ([]config.Description, *kerr.Error, string) {
	switch name := asked.ResourceName; {
	case asked.ResourceType == kmsg.ConfigResourceTypeTopic:
		if err := metadata.CheckTopicName(name); err != nil {
			return nil, kerr.InvalidTopicException, err.Error()
		}
		if image.Topic(name) == nil {
			return nil, kerr.UnknownTopicOrPartition, "The topic '" + name + "' does not exist."
		}
		return b.static.Layers(image, name).DescribeTopic(), nil, ""
	case asked.ResourceType == kmsg.ConfigResourceTypeGroupConfig && name == "":
		return nil, kerr.InvalidRequest, "Group name must not be empty"
	case asked.ResourceType == kmsg.ConfigResourceTypeGroupConfig:
		return b.static.GroupLayers(image, name).DescribeGroup(), nil, ""
	case asked.ResourceType != kmsg.ConfigResourceTypeBroker:
		return nil, kerr.InvalidRequest, fmt.Sprintf("Resource type %v has no settings here: only topics, brokers and groups do.", asked.ResourceType)
	case name == "":
		return b.static.Layers(image, "").DescribeCluster(), nil, ""
	case name == strconv.Itoa(int(b.cfg.NodeID)):
		return b.static.Layers(image, "").DescribeBroker(), nil, ""
	default:
		return nil, kerr.InvalidRequest, fmt.Sprintf("Unexpected broker id, expected %d or empty string, but received %s", b.cfg.NodeID, name)
	}
}

// answer is a described setting as the wire has it.
func answer(d *config.Description, synonyms, documentation bool) kmsg.DescribeConfigsResponseResourceConfig {
	c := kmsg.NewDescribeConfigsResponseResourceConfig()
	c.Name, c.Source, c.ConfigType, c.ReadOnly = d.Name, d.Value.Source, d.Type, d.ReadOnly
	c.IsDefault = d.Value.Source == config.FromDefault // what version 0 has for a source
	c.ConfigSynonyms = []kmsg.DescribeConfigsResponseResourceConfigConfigSynonym{}
	if !d.Value.Null {
		c.Value = kmsg.StringPtr(d.Value.Text)
	}
	if synonyms {
		for _, o := range d.Origins {
			s := kmsg.NewDescribeConfigsResponseResourceConfigConfigSynonym()
			s.Name, s.Value, s.Source = o.Name, kmsg.StringPtr(o.Value), o.Source
			c.ConfigSynonyms = append(c.ConfigSynonyms, s)
		}
	}
	if documentation {
		c.Documentation = kmsg.StringPtr(d.Doc)
	}
	return c
}
