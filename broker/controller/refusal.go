package controller

import (
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirlab/weir/broker/metadata"
)

// notController refuses a request on a node that does not lead. Nil means that
// the controller does not know the kind.
func notController(req kmsg.Request) kmsg.Response { return Refuse(req, kerr.NotController, "") }

// IsRefusal reports whether resp is what a node answers that is not the active
// controller: the request may be sent to the one that is.
func IsRefusal(resp kmsg.Response) bool {
	code := kerr.NotController.Code
	switch resp := resp.(type) {
	case *kmsg.BrokerRegistrationResponse:
		return resp.ErrorCode == code
	case *kmsg.BrokerHeartbeatResponse:
		return resp.ErrorCode == code
	case *kmsg.UnregisterBrokerResponse:
		return resp.ErrorCode == code
	case *kmsg.AlterPartitionResponse:
		return resp.ErrorCode == code
	case *kmsg.AllocateProducerIDsResponse:
		return resp.ErrorCode == code
	case *kmsg.AssignReplicasToDirsResponse:
		return resp.ErrorCode == code
	case *kmsg.UpdateFeaturesResponse:
		return resp.ErrorCode == code
	case *kmsg.ElectLeadersResponse:
		return resp.ErrorCode == code
	case *kmsg.AlterPartitionAssignmentsResponse:
		return resp.ErrorCode == code
	case *kmsg.ListPartitionReassignmentsResponse:
		return resp.ErrorCode == code
	case *kmsg.CreateTopicsResponse:
		return len(resp.Topics) > 0 && resp.Topics[0].ErrorCode == code
	case *kmsg.DeleteTopicsResponse:
		return len(resp.Topics) > 0 && resp.Topics[0].ErrorCode == code
	case *kmsg.CreatePartitionsResponse:
		return len(resp.Topics) > 0 && resp.Topics[0].ErrorCode == code
	case *kmsg.AlterConfigsResponse:
		return len(resp.Resources) > 0 && resp.Resources[0].ErrorCode == code
	case *kmsg.IncrementalAlterConfigsResponse:
		return len(resp.Resources) > 0 && resp.Resources[0].ErrorCode == code
	case *kmsg.DescribeQuorumResponse:
		return len(resp.Topics) == 1 && len(resp.Topics[0].Partitions) == 1 &&
			resp.Topics[0].Partitions[0].ErrorCode == kerr.NotLeaderForPartition.Code
	}
	return false
}

// Refuse answers everything a request asks of the controller with one error,
// in the shape that clients expect of its kind. It is nil for kinds that are
// not the controller's.
func Refuse(req kmsg.Request, err *kerr.Error, text string) kmsg.Response {
	code, why := err.Code, message(text)
	switch resp := req.ResponseKind().(type) {
	case *kmsg.BrokerRegistrationResponse:
		resp.ErrorCode, resp.BrokerEpoch = code, -1
		return resp
	case *kmsg.BrokerHeartbeatResponse:
		resp.ErrorCode = code
		return resp
	case *kmsg.UnregisterBrokerResponse:
		resp.ErrorCode, resp.ErrorMessage = code, why
		return resp
	case *kmsg.AlterPartitionResponse:
		resp.ErrorCode = code
		return resp
	case *kmsg.AllocateProducerIDsResponse:
		resp.ErrorCode = code
		return resp
	case *kmsg.AssignReplicasToDirsResponse:
		resp.ErrorCode = code
		return resp
	case *kmsg.UpdateFeaturesResponse:
		resp.ErrorCode, resp.ErrorMessage, resp.Results = code, why, []kmsg.UpdateFeaturesResponseResult{}
		return resp
	case *kmsg.CreateTopicsResponse:
		for _, t := range req.(*kmsg.CreateTopicsRequest).Topics {
			out := kmsg.NewCreateTopicsResponseTopic()
			out.Topic, out.ErrorCode, out.ErrorMessage = t.Topic, code, why
			out.NumPartitions, out.ReplicationFactor, out.Configs = -1, -1, []kmsg.CreateTopicsResponseTopicConfig{}
			resp.Topics = append(resp.Topics, out)
		}
		return resp
	case *kmsg.DeleteTopicsResponse:
		for _, t := range topicsToDelete(req.(*kmsg.DeleteTopicsRequest)) {
			out := kmsg.NewDeleteTopicsResponseTopic()
			out.Topic, out.TopicID, out.ErrorCode, out.ErrorMessage = t.Topic, t.TopicID, code, why
			resp.Topics = append(resp.Topics, out)
		}
		return resp
	case *kmsg.CreatePartitionsResponse:
		for _, t := range req.(*kmsg.CreatePartitionsRequest).Topics {
			out := kmsg.NewCreatePartitionsResponseTopic()
			out.Topic, out.ErrorCode, out.ErrorMessage = t.Topic, code, why
			resp.Topics = append(resp.Topics, out)
		}
		return resp
	case *kmsg.ElectLeadersResponse:
		resp.ErrorCode = code
		for _, t := range req.(*kmsg.ElectLeadersRequest).Topics {
			out := kmsg.NewElectLeadersResponseTopic()
			out.Topic = t.Topic
			for _, n := range t.Partitions {
				p := kmsg.NewElectLeadersResponseTopicPartition()
				p.Partition, p.ErrorCode, p.ErrorMessage = n, code, why
				out.Partitions = append(out.Partitions, p)
			}
			resp.Topics = append(resp.Topics, out)
		}
		return resp
	case *kmsg.AlterPartitionAssignmentsResponse:
		resp.ErrorCode, resp.ErrorMessage, resp.Topics = code, why, []kmsg.AlterPartitionAssignmentsResponseTopic{}
		for _, t := range req.(*kmsg.AlterPartitionAssignmentsRequest).Topics {
			out := kmsg.NewAlterPartitionAssignmentsResponseTopic()
			out.Topic = t.Topic
			for i := range t.Partitions {
				p := kmsg.NewAlterPartitionAssignmentsResponseTopicPartition()
				p.Partition, p.ErrorCode, p.ErrorMessage = t.Partitions[i].Partition, code, why
				out.Partitions = append(out.Partitions, p)
			}
			resp.Topics = append(resp.Topics, out)
		}
		return resp
	case *kmsg.ListPartitionReassignmentsResponse:
		resp.ErrorCode, resp.ErrorMessage, resp.Topics = code, why, []kmsg.ListPartitionReassignmentsResponseTopic{}
		return resp
	case *kmsg.AlterConfigsResponse:
		for _, r := range req.(*kmsg.AlterConfigsRequest).Resources {
			out := kmsg.NewAlterConfigsResponseResource()
			out.ResourceType, out.ResourceName, out.ErrorCode, out.ErrorMessage = r.ResourceType, r.ResourceName, code, why
			resp.Resources = append(resp.Resources, out)
		}
		return resp
	case *kmsg.IncrementalAlterConfigsResponse:
		for _, r := range req.(*kmsg.IncrementalAlterConfigsRequest).Resources {
			out := kmsg.NewIncrementalAlterConfigsResponseResource()
			out.ResourceType, out.ResourceName, out.ErrorCode, out.ErrorMessage = r.ResourceType, r.ResourceName, code, why
			resp.Resources = append(resp.Resources, out)
		}
		return resp
	case *kmsg.DescribeQuorumResponse:
		p := kmsg.NewDescribeQuorumResponseTopicPartition()
		p.ErrorCode, p.ErrorMessage, p.HighWatermark = code, why, -1
		t := kmsg.NewDescribeQuorumResponseTopic()
		t.Topic, t.Partitions = metadata.ClusterMetadataTopic, append(t.Partitions, p)
		resp.Topics = append(resp.Topics, t)
		return resp
	}
	return nil
}
