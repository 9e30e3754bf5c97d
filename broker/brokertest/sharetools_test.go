package brokertest_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// shareScript is what kafka-share-groups.sh is asked, as toolScript.
var shareScript = []string{
	"TopicCommand --create --topic orders --partitions 2 --replication-factor 1",
	"TopicCommand --create --topic returns --partitions 1 --replication-factor 1",
	"FeatureCommand upgrade --feature share.version=1",
	"ShareGroupCommand --list",
	"ShareGroupCommand --describe --group nobody",
	"ShareGroupCommand --delete --group nobody",
	"ShareGroupCommand --list --state", // a member joins
	"ShareGroupCommand --list --state stable",
	"ShareGroupCommand --describe --group sharers",
	"ShareGroupCommand --describe --group sharers --offsets --verbose",
	"ShareGroupCommand --describe --group sharers --members --verbose",
	"ShareGroupCommand --describe --group sharers --state --verbose",
	"ShareGroupCommand --reset-offsets --group sharers --topic orders --to-earliest --execute",
	"ShareGroupCommand --delete-offsets --group sharers --topic orders",
	"ShareGroupCommand --delete --group sharers",
	"ConsumerGroupCommand --describe --group sharers",
	"ShareGroupCommand --describe --group sharers --state", // it leaves
	"ShareGroupCommand --describe --group sharers --members",
	"ShareGroupCommand --describe --group sharers --offsets --verbose",
	"ShareGroupCommand --reset-offsets --group sharers --topic orders --to-earliest --dry-run",
	"ShareGroupCommand --reset-offsets --group sharers --topic orders:1 --to-latest --execute",
	"ShareGroupCommand --reset-offsets --group sharers --topic nothing --to-latest --execute",
	"ShareGroupCommand --describe --group sharers --offsets --verbose",
	"ShareGroupCommand --reset-offsets --group sharers --all-topics --to-earliest --execute",
	"ShareGroupCommand --describe --group sharers",
	"ShareGroupCommand --delete-offsets --group sharers --topic nothing",
	"ShareGroupCommand --delete-offsets --group sharers --topic returns",
	"ShareGroupCommand --delete-offsets --group sharers --topic orders",
	"ShareGroupCommand --describe --group sharers",
	"ShareGroupCommand --reset-offsets --group fresh --topic returns --to-earliest --execute",
	"ShareGroupCommand --describe --group fresh --offsets",
	"ShareGroupCommand --list",
	"ShareGroupCommand --delete --group fresh",
	"ShareGroupCommand --delete --group sharers",
	"ShareGroupCommand --list",
	"FeatureCommand downgrade --feature share.version=0",
	"ShareGroupCommand --describe --group sharers",
	"ShareGroupCommand --reset-offsets --group fresh --topic returns --to-earliest --execute",
}

const sharer = "9b2f8a4e-7c51-4d0e-8f36-2a6d1c5b7e90" // a member's id

// TestShareGroupToolOfKafkaSaysTheSame asks Kafka's tool for share groups the same of
// both brokers.
func TestShareGroupToolOfKafkaSaysTheSame(t *testing.T) {
	toolsSayTheSame(t, shareScript, map[string]func(t *testing.T, addr string){
		"ShareGroupCommand --list --state":                     joinSharers,
		"ShareGroupCommand --describe --group sharers --state": leaveSharers,
	})
}

func shareBeat(ctx context.Context, t *testing.T, cl *kgo.Client, epoch int32) *kmsg.ShareGroupHeartbeatResponse {
	req := kmsg.NewPtrShareGroupHeartbeatRequest()
	req.GroupID, req.MemberID, req.MemberEpoch = "sharers", sharer, epoch
	if epoch == 0 {
		req.SubscribedTopicNames = []string{"orders"}
	}
	resp, err := req.RequestWith(ctx, cl)
	require.NoError(t, err)
	return resp
}

// joinSharers writes records, and has a member join the group sharers and be assigned
// both partitions.
func joinSharers(t *testing.T, addr string) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cl, err := kgo.NewClient(kgo.SeedBrokers(addr), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ClientID("sharer"))
	require.NoError(t, err)
	defer cl.Close()
	for i := range 5 {
		require.NoError(t, cl.ProduceSync(ctx, &kgo.Record{Topic: "orders", Partition: int32(i % 2), Value: []byte("x")}).FirstErr())
	}
	var epoch int32
	require.Eventually(t, func() bool {
		resp := shareBeat(ctx, t, cl, epoch)
		if resp.ErrorCode != 0 {
			return false
		}
		epoch = resp.MemberEpoch
		return resp.Assignment != nil && len(resp.Assignment.TopicPartitions) == 1 && len(resp.Assignment.TopicPartitions[0].Partitions) == 2
	}, 30*time.Second, 200*time.Millisecond)
}

func leaveSharers(t *testing.T, addr string) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cl, err := kgo.NewClient(kgo.SeedBrokers(addr))
	require.NoError(t, err)
	defer cl.Close()
	require.Zero(t, shareBeat(ctx, t, cl, -1).ErrorCode)
}
