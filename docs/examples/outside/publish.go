// Package outside is somebody else's code, in a module of its own, tested with
// Weir: a publisher that uses a real Kafka client, tested against real brokers in
// its own process (package brokertest), and a tally that is written on package env
// and tested in simulation (package simtest).
package outside

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// Publisher publishes prices, each exactly once.
type Publisher struct{ client *kgo.Client }

// NewPublisher connects to a cluster.
func NewPublisher(seeds ...string) (*Publisher, error) {
	client, err := kgo.NewClient(kgo.SeedBrokers(seeds...), kgo.DefaultProduceTopic("prices"), kgo.MetadataMinAge(50*time.Millisecond))
	if err != nil {
		return nil, err
	}
	return &Publisher{client}, nil
}

// ErrTooLarge says that a price can never be published.
var ErrTooLarge = errors.New("the price is larger than the brokers take")

// Publish returns once the price is on all in-sync replicas.
func (p *Publisher) Publish(ctx context.Context, price string) error {
	err := p.client.ProduceSync(ctx, kgo.StringRecord(price)).FirstErr()
	if errors.Is(err, kerr.MessageTooLarge) {
		return fmt.Errorf("%w: %d bytes", ErrTooLarge, len(price))
	}
	return err
}

// Close ends the publisher.
func (p *Publisher) Close() { p.client.Close() }
