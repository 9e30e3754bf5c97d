package broker

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirlab/weir/broker/protocol"
)

// apiVersionsAPI is ApiVersions (key 18): which requests this broker answers
// and in which versions. The protocol server answers it from the table itself,
// also for versions it does not know (KIP-511).
//
//	v1 throttle time
//	v3 flexible; client name and version (KIP-511); features (KIP-584)
//	v4 features whose oldest version is 0, which older clients cannot read
func apiVersionsAPI() protocol.API {
	return api(0, 4, func(*protocol.Call, *kmsg.ApiVersionsRequest) kmsg.Response { return nil })
}
