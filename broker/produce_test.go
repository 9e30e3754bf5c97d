package broker_test

import (
	"context"
	"io"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirlab/weir/broker/protocol"
)

// TestAnErrorWithoutAcksClosesTheConnection has every kind of refusal of a
// Produce request with acks=0: its client can be told in no other way.
func TestAnErrorWithoutAcksClosesTheConnection(t *testing.T) {
	c := startCluster(t, 1, nil)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	c.createTopic(ctx, "there", 1)
	one := func(topic string, partition int32, records []byte) *kmsg.ProduceRequest {
		req := kmsg.NewPtrProduceRequest()
		req.Version, req.Acks = 9, 0
		p := kmsg.NewProduceRequestTopicPartition()
		p.Partition, p.Records = partition, records
		t := kmsg.NewProduceRequestTopic()
		t.Topic = topic
		t.Partitions = append(t.Partitions, p)
		req.Topics = append(req.Topics, t)
		return req
	}
	transactional := one("there", 0, nil)
	transactional.TransactionID = kmsg.StringPtr("t")
	for name, req := range map[string]*kmsg.ProduceRequest{
		"unknown topic":     one("missing", 0, nil),
		"unknown partition": one("there", 7, nil),
		"poison records":    one("there", 0, []byte("these are no records")),
		"transactional":     transactional,
	} {
		t.Run(name, func(t *testing.T) {
			conn, err := net.Dial("tcp", c.brokers[0].Addr())
			require.NoError(t, err)
			defer func() { _ = conn.Close() }()
			require.NoError(t, conn.SetDeadline(time.Now().Add(10*time.Second)))
			f := kmsg.NewRequestFormatter()
			before := kmsg.NewPtrMetadataRequest()
			before.Version = 9
			_, err = conn.Write(append(f.AppendRequest(nil, before, 1), f.AppendRequest(nil, req, 2)...))
			require.NoError(t, err)
			_, err = protocol.ReadFrame(conn, 1<<20)
			require.NoError(t, err, "what came before is answered")
			_, err = protocol.ReadFrame(conn, 1<<20)
			require.ErrorIs(t, err, io.EOF)
		})
	}
}
