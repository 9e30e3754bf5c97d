package broker_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirlab/weir/broker"
	"github.com/weirlab/weir/env"
)

// Whatever only the active controller can answer may be asked of any broker.
func TestEveryBrokerAnswersForTheController(t *testing.T) {
	runSim(t, 3, nil, func(c *simCluster, e env.Env) {
		c.ready(e)
		c.createTopic(e, (c.controller()+1)%3, "t", nil)
		name := kmsg.StringPtr("t")
		for version := range int16(3) {
			for i := range c.lives {
				req := kmsg.NewPtrDescribeQuorumRequest()
				req.Version = version
				p := c.must(e, i, req).(*kmsg.DescribeQuorumResponse).Topics[0].Partitions[0]
				require.Zero(t, p.ErrorCode)
				require.EqualValues(t, c.controller()+1, p.LeaderID)
				require.Len(t, p.CurrentVoters, 3)
			}
		}
		for i := range c.lives {
			elect := kmsg.NewPtrElectLeadersRequest()
			elect.Version = 2
			elect.Topics = []kmsg.ElectLeadersRequestTopic{{Topic: "t", Partitions: []int32{0}}}
			require.Equal(t, kerr.ElectionNotNeeded.Code, c.must(e, i, elect).(*kmsg.ElectLeadersResponse).Topics[0].Partitions[0].ErrorCode)

			alter := kmsg.NewPtrIncrementalAlterConfigsRequest()
			alter.Resources = []kmsg.IncrementalAlterConfigsRequestResource{{ResourceType: kmsg.ConfigResourceTypeTopic, ResourceName: "t",
				Configs: []kmsg.IncrementalAlterConfigsRequestResourceConfig{{Name: "retention.ms", Value: kmsg.StringPtr("1000000")}}}}
			require.Zero(t, c.must(e, i, alter).(*kmsg.IncrementalAlterConfigsResponse).Resources[0].ErrorCode)

			grow := kmsg.NewPtrCreatePartitionsRequest()
			grow.Version = 3
			grow.Topics = []kmsg.CreatePartitionsRequestTopic{{Topic: "t", Count: int32(2 + i)}}
			require.Zero(t, c.must(e, i, grow).(*kmsg.CreatePartitionsResponse).Topics[0].ErrorCode)

			require.Equal(t, kerr.BrokerIDNotRegistered.Code, c.must(e, i, &kmsg.UnregisterBrokerRequest{BrokerID: 99}).(*kmsg.UnregisterBrokerResponse).ErrorCode)
		}
		drop := kmsg.NewPtrDeleteTopicsRequest()
		drop.Version, drop.Topics = 6, []kmsg.DeleteTopicsRequestTopic{{Topic: name}}
		require.Zero(t, c.must(e, (c.controller()+2)%3, drop).(*kmsg.DeleteTopicsResponse).Topics[0].ErrorCode)
	})
}

func TestEnvelopesHoldOnlyWhatIsForwarded(t *testing.T) {
	runSim(t, 1, nil, func(c *simCluster, e env.Env) {
		c.ready(e)
		for _, data := range [][]byte{nil, {0}, {0, 3, 0, 0, 0, 0, 0, 0, 0, 0}, {0, 58, 0, 0, 0, 0, 0, 0, 0, 0, 0}} {
			req := kmsg.NewPtrEnvelopeRequest()
			req.RequestData, req.ClientHostAddress = data, []byte{}
			resp, err := c.askAt(e, "broker-1:9093", req, time.Second)
			require.NoError(t, err)
			require.Equal(t, kerr.InvalidRequest.Code, resp.(*kmsg.EnvelopeResponse).ErrorCode)
			_, err = c.ask(e, 0, req, time.Second)
			require.Error(t, err, "clients are not offered it")
		}
	})
}

func missingTopic(name string) *kmsg.MetadataRequest {
	req := kmsg.NewPtrMetadataRequest()
	req.Version, req.AllowAutoTopicCreation = 9, true
	topic := kmsg.NewMetadataRequestTopic()
	topic.Topic = kmsg.StringPtr(name)
	req.Topics = append(req.Topics, topic)
	return req
}

// A controller that answers nothing, without its connections breaking, delays no
// request for metadata, and an administrator's until another controller is elected.
func TestAStoppedControllerHangsNobody(t *testing.T) {
	runSim(t, 3, nil, func(c *simCluster, e env.Env) {
		c.ready(e)
		old := c.controller()
		other, third := (old+1)%3, (old+2)%3
		c.must(e, other, missingTopic("before")) // opens connections to the controller
		c.nodes[old].Pause()

		began := e.Now()
		told := c.must(e, other, missingTopic("a")).(*kmsg.MetadataResponse).ControllerID
		require.EqualValues(t, other+1, told, "clients are not sent to a controller that may not answer")
		require.Less(t, e.Now()-began, 50*time.Millisecond)

		began = e.Now()
		create := kmsg.NewPtrCreateTopicsRequest()
		create.Version, create.TimeoutMillis = 7, 60000
		create.Topics = []kmsg.CreateTopicsRequestTopic{{Topic: "b", NumPartitions: 1, ReplicationFactor: 3}}
		r := c.must(e, third, create).(*kmsg.CreateTopicsResponse).Topics[0]
		require.Zero(t, r.ErrorCode, "%v", r.ErrorMessage)
		require.Less(t, e.Now()-began, 10*time.Second, "the request follows the new controller")
		c.nodes[old].Resume()
	})
}

// A broker stops while requests of its clients, its heartbeats and its fetches
// wait for a controller that does not answer.
func TestStopWaitsForNoPeer(t *testing.T) {
	for name, voters := range map[string]int{"a new controller can be elected": 1, "no controller can be elected": 2} {
		t.Run(name, func(t *testing.T) {
			runSim(t, 3, func(cfg *broker.Config) { cfg.ControlledShutdown = 4 * time.Second }, func(c *simCluster, e env.Env) {
				c.ready(e)
				old := c.controller()
				stops := (old + 1) % 3
				c.createTopic(e, stops, "t", nil)
				c.nodes[old].Pause()
				if voters == 2 {
					c.nodes[(old+2)%3].Pause()
				}
				for _, wait := range []time.Duration{0, 500 * time.Millisecond, 4 * time.Second} {
					for range 3 { // keep it busy with what only the controller can answer
						e.Go("client", func() {
							create := kmsg.NewPtrCreateTopicsRequest()
							create.Version, create.TimeoutMillis = 7, 60000
							create.Topics = []kmsg.CreateTopicsRequestTopic{{Topic: "b", NumPartitions: 1, ReplicationFactor: 1}}
							_, _ = c.ask(e, stops, create, time.Minute)
						})
					}
					e.Sleep(wait)
				}
				began, stopped := e.Now(), e.NewSignal()
				c.nodes[stops].Start("stop", func(env.Env) {
					require.NoError(t, c.lives[stops].Stop())
					stopped.Set()
				})
				require.True(t, stopped.Wait(2*time.Minute))
				require.Less(t, e.Now()-began, 6*time.Second)
			})
		})
	}
}
