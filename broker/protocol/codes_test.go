package protocol

import (
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirlab/weir/env"
)

// listener is a laboratory that only listens.
type listener map[string]int

func (l listener) Strike(string, int64) *env.Rand { return nil }

func (l listener) Reached(kind, state, detail string) { l[kind+" "+state+" "+detail]++ }

func TestALaboratoryHearsOfTheCodesOfEveryAnswer(t *testing.T) {
	heard := listener{}
	c := newCodes(env.NewLab(heard))

	produce := kmsg.NewPtrProduceResponse()
	produce.Topics = []kmsg.ProduceResponseTopic{{Partitions: []kmsg.ProduceResponseTopicPartition{
		{}, {ErrorCode: kerr.NotLeaderForPartition.Code}, {}}}}
	c.tell(produce)
	require.Equal(t, listener{"answer Produce NONE": 1, "answer Produce NOT_LEADER_FOR_PARTITION": 1}, heard)

	clear(heard)
	fetch := kmsg.NewPtrFetchResponse()
	fetch.ErrorCode = kerr.FetchSessionIDNotFound.Code
	c.tell(fetch)
	require.Equal(t, listener{"answer Fetch FETCH_SESSION_ID_NOT_FOUND": 1}, heard)

	clear(heard) // a list in a list, and a code beside it
	describe := kmsg.NewPtrDescribeGroupsResponse()
	describe.Groups = []kmsg.DescribeGroupsResponseGroup{{ErrorCode: kerr.NotCoordinator.Code}}
	c.tell(describe)
	join := kmsg.NewPtrJoinGroupResponse()
	c.tell(join)
	join.ErrorCode = 9999
	c.tell(join)
	require.Equal(t, listener{"answer DescribeGroups NOT_COORDINATOR": 1, "answer JoinGroup NONE": 1, "answer JoinGroup UNKNOWN_SERVER_ERROR": 1}, heard)

	clear(heard) // an answer without codes
	c.tell(kmsg.NewPtrApiVersionsResponse())
	require.Equal(t, listener{"answer ApiVersions NONE": 1}, heard)

	newCodes(nil).tell(join) // no laboratory, nobody hears
}
