package brokertest_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirlab/weir/broker/brokertest"
)

// once is a client that does not try again.
func once(t *testing.T, c *brokertest.Cluster, opts ...kgo.Opt) *kgo.Client {
	return client(t, c, append([]kgo.Opt{kgo.RecordRetries(0), kgo.RequestRetries(0), kgo.DisableIdempotentWrite(), kgo.RecordPartitioner(kgo.ManualPartitioner())}, opts...)...)
}

func put(t *testing.T, cl *kgo.Client, partition int32) error {
	t.Helper()
	return cl.ProduceSync(t.Context(), &kgo.Record{Topic: "orders", Partition: partition, Value: []byte(fmt.Sprint(partition))}).FirstErr()
}

func TestARefusedWriteIsNotDone(t *testing.T) {
	c := brokertest.NewCluster(t, 1, brokertest.Topic("orders", 1))
	fault := c.On(kmsg.Produce).Times(2).Fail(kerr.KafkaStorageError)
	cl := once(t, c)
	require.ErrorIs(t, put(t, cl, 0), kerr.KafkaStorageError)
	require.ErrorIs(t, put(t, cl, 0), kerr.KafkaStorageError)
	require.NoError(t, put(t, cl, 0))
	require.Equal(t, 2, fault.Happened())
	require.Len(t, c.Records("orders", 0), 1)
}

func TestAWriteIsDoneAndRefused(t *testing.T) {
	c := brokertest.NewCluster(t, 1, brokertest.Topic("orders", 1))
	c.On(kmsg.Produce).DoAndFail(kerr.RequestTimedOut)
	cl := once(t, c)
	require.Error(t, put(t, cl, 0))
	require.Len(t, c.Records("orders", 0), 1)
}

// Retries of a write whose answer was lost do not make it twice: the producer is
// idempotent, and its sequence number the same.
func TestALostAnswerDuplicatesNothing(t *testing.T) {
	c := brokertest.NewCluster(t, 1, brokertest.Topic("orders", 1))
	lost := c.On(kmsg.Produce).LoseAnswer()
	cl := client(t, c)
	require.NoError(t, write(t, cl, "orders", "x"))
	require.Equal(t, 1, lost.Happened())
	require.Len(t, c.Records("orders", 0), 1)
	c.On(kmsg.Produce).Times(2).Hangup()
	require.NoError(t, write(t, cl, "orders", "y"))
	require.Equal(t, []string{"x", "y"}, values(c.Records("orders", 0)))
}

func TestOnlyTheChosenPartitionFails(t *testing.T) {
	c := brokertest.NewCluster(t, 1, brokertest.Topic("orders", 3), brokertest.Topic("other", 1))
	c.On(kmsg.Produce).Partition("orders", 1).Fail(kerr.NotEnoughReplicas)
	cl := once(t, c, kgo.ProducerLinger(200*time.Millisecond))
	errs := map[int32]error{}
	var records []*kgo.Record
	for p := range int32(3) {
		records = append(records, &kgo.Record{Topic: "orders", Partition: p})
	}
	for _, r := range cl.ProduceSync(t.Context(), append(records, &kgo.Record{Topic: "other"})...) {
		if r.Record.Topic == "orders" {
			errs[r.Record.Partition] = r.Err
		} else {
			require.NoError(t, r.Err)
		}
	}
	require.NoError(t, errs[0])
	require.ErrorIs(t, errs[1], kerr.NotEnoughReplicas)
	require.NoError(t, errs[2])
	require.Empty(t, c.Records("orders", 1))
	require.Len(t, c.Records("orders", 2), 1)
}

func TestRequestsWait(t *testing.T) {
	c := brokertest.NewCluster(t, 1, brokertest.Topic("orders", 1))
	cl := once(t, c)
	require.NoError(t, put(t, cl, 0))
	held := c.On(kmsg.Produce).Hold()
	done := make(chan error, 1)
	go func() { done <- put(t, cl, 0) }()
	held.Await()
	require.Len(t, c.Records("orders", 0), 1, "it is not done yet")
	held.Remove()
	require.NoError(t, <-done)

	for _, wait := range []func(time.Duration) *brokertest.Fault{c.On(kmsg.Produce).Delay, c.On(kmsg.Produce).DelayAnswer} {
		wait(50 * time.Millisecond)
		began := time.Now()
		require.NoError(t, put(t, cl, 0))
		require.GreaterOrEqual(t, time.Since(began), 50*time.Millisecond)
	}
	late := c.On(kmsg.Produce).DelayAnswer(time.Hour)
	go func() { done <- put(t, cl, 0) }()
	late.Await()
	require.Eventually(t, func() bool { return len(c.Records("orders", 0)) == 5 }, 10*time.Second, time.Millisecond, "done, and not answered")
	late.Remove()
	require.NoError(t, <-done)
}

func TestAnswersAreOthers(t *testing.T) {
	c := brokertest.NewCluster(t, 1, brokertest.Topic("orders", 1))
	cl := once(t, c)
	c.On(kmsg.ListGroups).Answer(func(req kmsg.Request) kmsg.Response {
		resp := req.ResponseKind().(*kmsg.ListGroupsResponse)
		g := kmsg.NewListGroupsResponseGroup()
		g.Group = "ghost"
		resp.Groups = append(resp.Groups, g)
		return resp
	})
	resp, err := kmsg.NewPtrListGroupsRequest().RequestWith(t.Context(), cl)
	require.NoError(t, err)
	require.Equal(t, "ghost", resp.Groups[0].Group)
	c.On(kmsg.Metadata).Change(func(_ kmsg.Request, resp kmsg.Response) {
		resp.(*kmsg.MetadataResponse).ClusterID = kmsg.StringPtr("changed")
	})
	meta, err := kmsg.NewPtrMetadataRequest().RequestWith(t.Context(), cl)
	require.NoError(t, err)
	require.Equal(t, "changed", *meta.ClusterID)
}

func TestWhichRequests(t *testing.T) {
	c := brokertest.NewCluster(t, 3, brokertest.Topic("orders", 3))
	cl := once(t, c, kgo.ClientID("mine"))
	leader := c.Partition("orders", 1).Leader
	one := c.On(kmsg.Produce).Broker(leader).Client("mine").After(1).Fail(kerr.KafkaStorageError)
	none := c.On(kmsg.Produce).Client("other").Always().Fail(kerr.KafkaStorageError)
	for p := range int32(3) {
		require.NoError(t, put(t, cl, p))
	}
	require.ErrorIs(t, put(t, cl, 1), kerr.KafkaStorageError)
	require.Equal(t, 1, one.Happened())
	require.Zero(t, none.Happened())
	fetches := c.On(kmsg.Fetch).FromBrokers().Always().When(func(req kmsg.Request) bool { return req.(*kmsg.FetchRequest).MaxBytes > 0 }).Delay(0)
	fetches.Await()
	fetches.Remove()
}

// The test that a fault is to show something in fails if it did not happen.
func TestAFaultThatDoesNotHappenFailsTheTest(t *testing.T) {
	c, err := brokertest.Start(1)
	require.NoError(t, err)
	c.On(kmsg.Produce).Partition("orders", 0).Times(2).Fail(kerr.KafkaStorageError)
	c.On(kmsg.Fetch).Always().Hangup()
	c.On(kmsg.Fetch).Hangup().Remove()
	err = c.Close()
	require.ErrorContains(t, err, "failure with KAFKA_STORAGE_ERROR of Produce for orders-0 was to happen to 2 requests more")
	require.Len(t, strings.Split(err.Error(), "\n"), 1)
}

func TestMisuseFailsTheTest(t *testing.T) {
	c, err := brokertest.Start(1)
	require.NoError(t, err)
	defer func() { require.NoError(t, c.Close()) }()
	for complaint, misuse := range map[string]func(){
		"there is no broker 2":       func() { c.Kill(2) },
		"Times(0)":                   func() { c.On(kmsg.Produce).Times(0) },
		"there is no partition no-0": func() { c.Partition("no", 0) },
		"broker 1 runs; kill it":     func() { c.Expire(1) },
		"is no pattern":              func() { c.FailDisk(1, brokertest.DiskFault{Files: "["}) },
		"move the leader of no-0":    func() { c.MoveLeader("no", 0, 1) },
		"cannot carry an error":      func() { c.On(kmsg.Key(999)).Fail(kerr.UnknownServerError) },
		"start broker 1":             func() { c.Start(1) },
	} {
		require.PanicsWithValue(t, true, func() {
			defer func() { panic(strings.Contains(fmt.Sprint(recover()), complaint)) }()
			misuse()
		}, complaint)
	}
}

// Every kind of request that clients send can be refused, in every version, with
// an answer that a client reads and sees the error in.
func TestEveryRequestCanBeRefused(t *testing.T) {
	c := brokertest.NewCluster(t, 1, brokertest.Topic("orders", 1))
	cl := once(t, c)
	versions, err := kmsg.NewPtrApiVersionsRequest().RequestWith(t.Context(), cl)
	require.NoError(t, err)
	for _, api := range versions.ApiKeys {
		key := kmsg.Key(api.ApiKey)
		req := full(api.ApiKey)
		if req == nil {
			t.Errorf("no request of kind %s is tried here", key.Name())
			continue
		}
		for version := max(api.MinVersion, oldest[key]); version <= api.MaxVersion; version++ {
			req := full(api.ApiKey)
			req.SetVersion(version)
			c.On(key).Fail(kerr.PolicyViolation)
			resp := exchange(t, c.Addrs()[0], req)
			require.Contains(t, codes(resp), kerr.PolicyViolation.Code, "%s v%d", key.Name(), version)
		}
	}
}

// oldest are the first versions of answers with an error code, and of Produce
// that brokers take.
var oldest = map[kmsg.Key]int16{kmsg.Produce: 3}

func TestGroupsMeetErrors(t *testing.T) {
	c := brokertest.NewCluster(t, 1, brokertest.Topic("orders", 1))
	require.NoError(t, write(t, client(t, c), "orders", "x"))
	c.On(kmsg.FindCoordinator).Fail(kerr.CoordinatorNotAvailable)
	c.On(kmsg.JoinGroup).Fail(kerr.CoordinatorLoadInProgress)
	c.On(kmsg.SyncGroup).Fail(kerr.RebalanceInProgress)
	c.On(kmsg.OffsetFetch).Fail(kerr.NotCoordinator)
	c.On(kmsg.OffsetCommit).Partition("orders", 0).Fail(kerr.OffsetMetadataTooLarge)
	c.On(kmsg.ListOffsets).Fail(kerr.OffsetNotAvailable)
	c.On(kmsg.Fetch).Topic("orders").Fail(kerr.NotLeaderForPartition)
	cl := client(t, c, kgo.ConsumerGroup("g"), kgo.ConsumeTopics("orders"), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.DisableAutoCommit())
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for read := 0; read == 0; {
		fetches := cl.PollFetches(ctx)
		require.NoError(t, ctx.Err())
		read += fetches.NumRecords()
	}
	var refused error
	cl.CommitOffsetsSync(ctx, cl.UncommittedOffsets(), func(_ *kgo.Client, _ *kmsg.OffsetCommitRequest, resp *kmsg.OffsetCommitResponse, err error) {
		refused = errors.Join(err, kerr.ErrorForCode(resp.Topics[0].Partitions[0].ErrorCode))
	})
	require.ErrorIs(t, refused, kerr.OffsetMetadataTooLarge)
	require.Empty(t, c.Group("g").Offsets)
}
