package program

import (
	"reflect"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// configure changes or takes back a setting of the administrator's topic.
func (r *administering) configure() { _, _ = r.ask("configure", r.alter(r.name), unasked) }

// unasked finds nothing wrong with an answer by itself.
func unasked(kmsg.Response) string { return "" }

// alter is a change of a topic's settings that harms nobody.
func (r *administering) alter(topic string) kmsg.Request {
	settings := []struct{ name, value string }{
		{"index.interval.bytes", "100"}, {"index.interval.bytes", "4096"}, {"max.message.bytes", "1048588"}, {"segment.ms", "600000"},
	}
	s := settings[r.rand.Intn(len(settings))]
	if topic == r.name && r.rand.Chance(1, 4) {
		req := kmsg.NewPtrAlterConfigsRequest()
		resource := kmsg.NewAlterConfigsRequestResource()
		resource.ResourceType, resource.ResourceName = kmsg.ConfigResourceTypeTopic, topic
		config := kmsg.NewAlterConfigsRequestResourceConfig()
		config.Name, config.Value = s.name, kmsg.StringPtr(s.value)
		resource.Configs = append(resource.Configs, config)
		req.Resources = append(req.Resources, resource)
		return req
	}
	req := kmsg.NewPtrIncrementalAlterConfigsRequest()
	resource := kmsg.NewIncrementalAlterConfigsRequestResource()
	resource.ResourceType, resource.ResourceName = kmsg.ConfigResourceTypeTopic, topic
	config := kmsg.NewIncrementalAlterConfigsRequestResourceConfig()
	config.Name, config.Op, config.Value = s.name, kmsg.IncrementalAlterConfigOpSet, kmsg.StringPtr(s.value)
	if r.rand.Chance(1, 3) {
		config.Op, config.Value = kmsg.IncrementalAlterConfigOpDelete, nil
	}
	resource.Configs = append(resource.Configs, config)
	req.Resources = append(req.Resources, resource)
	return req
}

// cut deletes the records of a partition of the administrator's topic up to its
// high watermark.
func (r *administering) cut() {
	req := kmsg.NewPtrDeleteRecordsRequest()
	req.TimeoutMillis = int32(r.w.requestTimeout() / time.Millisecond)
	topic := kmsg.NewDeleteRecordsRequestTopic()
	topic.Topic = r.name
	partition := kmsg.NewDeleteRecordsRequestTopicPartition()
	partition.Partition, partition.Offset = int32(r.rand.Intn(int(r.partitions))), -1
	topic.Partitions = append(topic.Partitions, partition)
	req.Topics = append(req.Topics, topic)
	_, _ = r.ask("delete records", req, unasked)
}

// look asks for something that changes nothing that matters to anybody else.
func (r *administering) look() {
	all := r.inquiries()
	one := all[r.rand.Intn(len(all))]
	_, _ = r.ask(one.what, one.make(), unasked)
}

// inquiry is a request that any client may make at any time.
type inquiry struct {
	what string
	make func() kmsg.Request
}

func (r *administering) inquiries() []inquiry {
	load := r.p.topic
	partition := int32(r.rand.Intn(int(load.Partitions)))
	broker := kmsg.ConfigResourceTypeBroker
	return []inquiry{
		{"describe cluster", func() kmsg.Request { return kmsg.NewPtrDescribeClusterRequest() }},
		{"list groups", func() kmsg.Request { return kmsg.NewPtrListGroupsRequest() }},
		{"api versions", func() kmsg.Request {
			req := kmsg.NewPtrApiVersionsRequest()
			req.ClientSoftwareName, req.ClientSoftwareVersion = "weir", "1"
			return req
		}},
		{"list topics", func() kmsg.Request { return kmsg.NewPtrMetadataRequest() }},
		{"describe quorum", func() kmsg.Request {
			req := kmsg.NewPtrDescribeQuorumRequest()
			topic := kmsg.NewDescribeQuorumRequestTopic()
			topic.Topic = "__cluster_metadata"
			topic.Partitions = append(topic.Partitions, kmsg.NewDescribeQuorumRequestTopicPartition())
			req.Topics = append(req.Topics, topic)
			return req
		}},
		{"describe groups", func() kmsg.Request {
			req := kmsg.NewPtrDescribeGroupsRequest()
			req.Groups, req.IncludeAuthorizedOperations = []string{r.name, "readers", "churned", "weir-register"}, true
			return req
		}},
		{"describe topic settings", func() kmsg.Request { return describeConfigs(kmsg.ConfigResourceTypeTopic, load.Name) }},
		{"describe own topic settings", func() kmsg.Request { return describeConfigs(kmsg.ConfigResourceTypeTopic, r.name) }},
		{"describe broker settings", func() kmsg.Request { return describeConfigs(broker, "1") }},
		{"describe producers", func() kmsg.Request {
			req := kmsg.NewPtrDescribeProducersRequest()
			topic := kmsg.NewDescribeProducersRequestTopic()
			topic.Topic, topic.Partitions = load.Name, []int32{partition}
			req.Topics = append(req.Topics, topic)
			return req
		}},
		{"describe partitions", func() kmsg.Request {
			req := kmsg.NewPtrDescribeTopicPartitionsRequest()
			for _, name := range []string{load.Name, r.name} {
				topic := kmsg.NewDescribeTopicPartitionsRequestTopic()
				topic.Topic = name
				req.Topics = append(req.Topics, topic)
			}
			req.ResponsePartitionLimit = 3
			return req
		}},
		{"describe log directories", func() kmsg.Request { return kmsg.NewPtrDescribeLogDirsRequest() }},
		{"ask where epochs end", func() kmsg.Request {
			req := kmsg.NewPtrOffsetForLeaderEpochRequest()
			topic := kmsg.NewOffsetForLeaderEpochRequestTopic()
			topic.Topic = load.Name
			part := kmsg.NewOffsetForLeaderEpochRequestTopicPartition()
			part.Partition, part.CurrentLeaderEpoch, part.LeaderEpoch = partition, -1, int32(r.rand.Intn(3))
			topic.Partitions = append(topic.Partitions, part)
			req.Topics = append(req.Topics, topic)
			return req
		}},
		{"look up a time", func() kmsg.Request {
			req := kmsg.NewPtrListOffsetsRequest()
			topic := kmsg.NewListOffsetsRequestTopic()
			topic.Topic = load.Name
			part := kmsg.NewListOffsetsRequestTopicPartition()
			part.Partition, part.CurrentLeaderEpoch = partition, -1
			times := []int64{-5, -4, -3, -2, -1, r.e.Wall().UnixMilli() - r.rand.Int64n(20_000)}
			part.Timestamp = times[r.rand.Intn(len(times))]
			topic.Partitions = append(topic.Partitions, part)
			req.Topics = append(req.Topics, topic)
			return req
		}},
		{"find coordinators", func() kmsg.Request {
			req := kmsg.NewPtrFindCoordinatorRequest()
			req.CoordinatorKeys = []string{r.name, "readers", "churned"}
			return req
		}},
		{"get a producer id", func() kmsg.Request { return kmsg.NewPtrInitProducerIDRequest() }},
		{"elect preferred leaders", func() kmsg.Request {
			req := kmsg.NewPtrElectLeadersRequest()
			req.TimeoutMillis = int32(r.w.requestTimeout() / time.Millisecond)
			topic := kmsg.NewElectLeadersRequestTopic()
			topic.Topic, topic.Partitions = load.Name, []int32{partition}
			req.Topics = append(req.Topics, topic)
			return req
		}},
		{"configure the topic under load", func() kmsg.Request { return r.alter(load.Name) }},
		{"create nothing", func() kmsg.Request {
			req := kmsg.NewPtrCreateTopicsRequest()
			topic := kmsg.NewCreateTopicsRequestTopic()
			topic.Topic, topic.NumPartitions, topic.ReplicationFactor = r.name+"-never", -1, -1
			req.Topics, req.ValidateOnly = append(req.Topics, topic), true
			return req
		}},
		{"commit in a group of its own", func() kmsg.Request {
			req := kmsg.NewPtrOffsetCommitRequest()
			req.Group, req.Generation = r.name, -1
			topic := kmsg.NewOffsetCommitRequestTopic()
			topic.Topic = load.Name
			part := kmsg.NewOffsetCommitRequestTopicPartition()
			part.Partition, part.LeaderEpoch = partition, -1
			topic.Partitions = append(topic.Partitions, part)
			req.Topics = append(req.Topics, topic)
			return req
		}},
		{"delete offsets of its group", func() kmsg.Request {
			req := kmsg.NewPtrOffsetDeleteRequest()
			req.Group = r.name
			topic := kmsg.NewOffsetDeleteRequestTopic()
			topic.Topic = load.Name
			part := kmsg.NewOffsetDeleteRequestTopicPartition()
			part.Partition = partition
			topic.Partitions = append(topic.Partitions, part)
			req.Topics = append(req.Topics, topic)
			return req
		}},
		{"delete its group", func() kmsg.Request {
			req := kmsg.NewPtrDeleteGroupsRequest()
			req.Groups = []string{r.name}
			return req
		}},
	}
}

func describeConfigs(kind kmsg.ConfigResourceType, name string) kmsg.Request {
	req := kmsg.NewPtrDescribeConfigsRequest()
	resource := kmsg.NewDescribeConfigsRequestResource()
	resource.ResourceType, resource.ResourceName = kind, name
	req.Resources = append(req.Resources, resource)
	req.IncludeSynonyms, req.IncludeDocumentation = true, true
	return req
}

// hasCode reports whether some error code of a response is the one given.
func hasCode(resp kmsg.Response, code int16) bool { return holds(reflect.ValueOf(resp), code) }

func holds(v reflect.Value, code int16) bool {
	switch v.Kind() {
	case reflect.Pointer:
		return !v.IsNil() && holds(v.Elem(), code)
	case reflect.Slice:
		for i := range v.Len() {
			if holds(v.Index(i), code) {
				return true
			}
		}
	case reflect.Struct:
		for i := range v.NumField() {
			f := v.Field(i)
			if v.Type().Field(i).Name == "ErrorCode" && f.Kind() == reflect.Int16 {
				if int16(f.Int()) == code {
					return true
				}
			} else if holds(f, code) {
				return true
			}
		}
	}
	return false
}
