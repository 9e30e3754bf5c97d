package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirlab/weir/env/osenv"
	"github.com/weirlab/weir/workloads/client"
)

// toolTimeout bounds each request of the small tools.
const toolTimeout = 30 * time.Second

// dial makes a client for the small tools.
func dial(bootstrap string) (*client.Client, error) {
	e, err := osenv.New(osenv.Options{})
	if err != nil {
		return nil, internal(err)
	}
	return client.New(e, client.Config{Bootstrap: strings.Split(bootstrap, ","), ClientID: "weir-cli"})
}

func bootstrapFlag(cmd *cobra.Command, value *string) {
	cmd.Flags().StringVar(value, "bootstrap-server", "127.0.0.1:9092", "brokers to connect to, as host:port,…")
}

func topicsCommand(s streams) *cobra.Command {
	var (
		bootstrap   string
		partitions  int32
		replication int16
		configs     []string
	)
	cmd := &cobra.Command{Use: "topics", Short: "Create, list, describe and delete topics"}

	create := &cobra.Command{
		Use: "create TOPIC", Short: "Create a topic", Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			t := client.NewTopic{Name: args[0], Partitions: partitions, ReplicationFactor: replication}
			for _, text := range configs {
				name, value, ok := strings.Cut(text, "=")
				if !ok {
					return fmt.Errorf("--config %q: write it as name=value", text)
				}
				t.Configs = append(t.Configs, client.TopicConfig{Name: name, Value: value})
			}
			return withClient(bootstrap, func(c *client.Client) error { return c.Admin().CreateTopic(t, toolTimeout) })
		},
	}
	create.Flags().Int32Var(&partitions, "partitions", -1, "number of partitions; -1 is the broker's default")
	create.Flags().Int16Var(&replication, "replication-factor", -1, "replicas of each partition; -1 is the broker's default")
	create.Flags().StringArrayVar(&configs, "config", nil, "a topic setting, as name=value; may be repeated")

	list := &cobra.Command{
		Use: "list", Short: "List topics", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			return withClient(bootstrap, func(c *client.Client) error {
				req := kmsg.NewPtrMetadataRequest()
				resp, err := c.Request(-1, req, toolTimeout)
				if err != nil {
					return err
				}
				for _, t := range resp.(*kmsg.MetadataResponse).Topics {
					if t.Topic != nil {
						_, _ = fmt.Fprintf(s.out, "%s\t%d partitions\n", *t.Topic, len(t.Partitions))
					}
				}
				return nil
			})
		},
	}
	describe := &cobra.Command{
		Use: "describe TOPIC", Short: "Show leaders, replicas and ISR of a topic", Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			return withClient(bootstrap, func(c *client.Client) error {
				t, err := c.Admin().DescribeTopic(args[0], toolTimeout)
				if err != nil {
					return err
				}
				for _, p := range t.Partitions {
					_, _ = fmt.Fprintf(s.out, "%s-%d\tleader %d\tepoch %d\treplicas %v\tisr %v\n", t.Name, p.Partition, p.Leader, p.LeaderEpoch, p.Replicas, p.ISR)
				}
				return nil
			})
		},
	}
	remove := &cobra.Command{
		Use: "delete TOPIC", Short: "Delete a topic", Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			return withClient(bootstrap, func(c *client.Client) error { return c.Admin().DeleteTopic(args[0], toolTimeout) })
		},
	}
	for _, sub := range []*cobra.Command{create, list, describe, remove} {
		bootstrapFlag(sub, &bootstrap)
		cmd.AddCommand(sub)
	}
	return cmd
}

// withClient connects, works and disconnects. What fails is the cluster's or
// the network's doing, not a mistake in the command.
func withClient(bootstrap string, work func(*client.Client) error) error {
	c, err := dial(bootstrap)
	if err != nil {
		return err
	}
	defer c.Close()
	return internal(work(c))
}

func produceCommand(s streams) *cobra.Command {
	var bootstrap, acks, separator string
	cmd := &cobra.Command{
		Use:   "produce TOPIC",
		Short: "Send each line of standard input as a record",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			cfg := client.DefaultProducerConfig()
			var err error
			if cfg.Acks, err = client.ParseAcks(acks); err != nil {
				return fmt.Errorf("--%w", err)
			}
			cfg.Idempotent = cfg.Acks == client.AcksAll
			return withClient(bootstrap, func(c *client.Client) error { return produceLines(cmd.Context(), s, c, cfg, args[0], separator) })
		},
	}
	bootstrapFlag(cmd, &bootstrap)
	cmd.Flags().StringVar(&acks, "acks", "all", "all, 1 or 0")
	cmd.Flags().StringVar(&separator, "key-separator", "", "what divides key and value in a line; by default there are no keys")
	return cmd
}

func produceLines(ctx context.Context, s streams, c *client.Client, cfg client.ProducerConfig, topic, separator string) error {
	p, err := c.NewProducer(cfg)
	if err != nil {
		return err
	}
	failures := make(chan error, 1)
	scanner := bufio.NewScanner(s.in)
	scanner.Buffer(nil, 1<<20)
	for scanner.Scan() && ctx.Err() == nil {
		r := &client.Record{Topic: topic, Partition: client.PartitionAny, Value: scanner.Bytes()}
		if key, value, ok := bytes.Cut(r.Value, []byte(separator)); ok && separator != "" {
			r.Key, r.Value = key, value
		}
		p.Produce(r, func(_ *client.Record, res client.Result) {
			if res.Err != nil {
				select {
				case failures <- res.Err:
				default:
				}
			}
		})
	}
	p.Close(2 * time.Minute)
	select {
	case err := <-failures:
		return err
	default:
		return errors.Join(scanner.Err(), ctx.Err())
	}
}

func consumeCommand(s streams) *cobra.Command {
	var (
		bootstrap string
		follow    bool
		withKeys  bool
	)
	cmd := &cobra.Command{
		Use:   "consume TOPIC",
		Short: "Print the records of a topic from its beginning",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return withClient(bootstrap, func(c *client.Client) error {
				return consumeTopic(cmd.Context(), s, c, args[0], follow, withKeys)
			})
		},
	}
	bootstrapFlag(cmd, &bootstrap)
	cmd.Flags().BoolVar(&follow, "follow", false, "wait for more instead of ending at the end")
	cmd.Flags().BoolVar(&withKeys, "offsets", false, "print partition, offset and key before each value")
	return cmd
}

func consumeTopic(ctx context.Context, s streams, c *client.Client, topic string, follow, details bool) error {
	t, err := c.Admin().DescribeTopic(topic, toolTimeout)
	if err != nil {
		return err
	}
	consumer, err := c.NewConsumer(client.ConsumerConfig{OffsetReset: client.ResetEarliest})
	if err != nil {
		return err
	}
	defer consumer.Close()
	ends := map[client.TopicPartition]int64{}
	var parts []client.TopicPartition
	for _, p := range t.Partitions {
		tp := client.TopicPartition{Topic: topic, Partition: p.Partition}
		end, _, err := c.Admin().ListOffset(tp, client.TimestampLatest, toolTimeout)
		if err != nil {
			return err
		}
		parts = append(parts, tp)
		ends[tp] = end
	}
	consumer.Assign(parts)
	out := bufio.NewWriter(s.out)
	atEnd := func() bool {
		for _, tp := range parts {
			if at, _ := consumer.Position(tp); at < ends[tp] {
				return false
			}
		}
		return true
	}
	for ctx.Err() == nil && (follow || !atEnd()) {
		batch := consumer.Poll(500 * time.Millisecond)
		for _, problem := range batch.Errors {
			return fmt.Errorf("%s-%d: %w", problem.Topic, problem.Partition, problem.Err)
		}
		for _, p := range batch.Partitions {
			for _, r := range p.Records {
				if details {
					_, _ = out.WriteString(strconv.Itoa(int(r.Partition)) + "\t" + strconv.FormatInt(r.Offset, 10) + "\t" + string(r.Key) + "\t")
				}
				_, _ = out.Write(r.Value)
				_ = out.WriteByte('\n') // errors show at Flush
			}
		}
		if err := out.Flush(); err != nil {
			return err
		}
	}
	return nil
}
