package program

import (
	"fmt"
	"strconv"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// throttle has all brokers replicate the topic no faster than the balancers'
// throttle, or takes that away again, as Kafka's ReassignPartitionsCommand does. It
// says why that is not sure to be done, "" if it is.
func (r *balancing) throttle(on bool) (why string) {
	what := "throttle replication no more"
	if on {
		what = fmt.Sprintf("throttle replication to %d B/s", r.b.Throttle)
		r.throttled = true
	}
	rate := strconv.FormatInt(r.b.Throttle, 10)
	req := kmsg.NewPtrIncrementalAlterConfigsRequest()
	req.Resources = []kmsg.IncrementalAlterConfigsRequestResource{
		changed(kmsg.ConfigResourceTypeTopic, r.name, on, "leader.replication.throttled.replicas", "*", "follower.replication.throttled.replicas", "*"),
		changed(kmsg.ConfigResourceTypeBroker, "", on, "leader.replication.throttled.rate", rate, "follower.replication.throttled.rate", rate),
	}
	resp, err := r.ask(what, req, unasked)
	if err != nil {
		return err.Error()
	}
	answers := resp.(*kmsg.IncrementalAlterConfigsResponse).Resources
	for i := range answers {
		if code := answers[i].ErrorCode; code != 0 {
			return kerr.ErrorForCode(code).Error()
		}
	}
	return ""
}

// changed is a resource some of whose settings, named with their values, are set, or
// taken away.
func changed(kind kmsg.ConfigResourceType, name string, set bool, pairs ...string) kmsg.IncrementalAlterConfigsRequestResource {
	resource := kmsg.NewIncrementalAlterConfigsRequestResource()
	resource.ResourceType, resource.ResourceName = kind, name
	for i := 0; i < len(pairs); i += 2 {
		config := kmsg.NewIncrementalAlterConfigsRequestResourceConfig()
		config.Name, config.Op, config.Value = pairs[i], kmsg.IncrementalAlterConfigOpSet, kmsg.StringPtr(pairs[i+1])
		if !set {
			config.Op, config.Value = kmsg.IncrementalAlterConfigOpDelete, nil
		}
		resource.Configs = append(resource.Configs, config)
	}
	return resource
}
