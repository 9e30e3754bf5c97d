package workloads

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirlab/weir/workloads/program"
	"github.com/weirlab/weir/workloads/scenario"
)

func parsed(place, name, value string) (*scenario.Scenario, error) {
	properties := map[string]string{place: fmt.Sprintf("properties: {%s: %s}", name, value)}
	if name == "" {
		properties = nil
	}
	return scenario.Parse("one.yaml", fmt.Appendf(nil, `
name: one
cluster: {brokers: 1}
topic: {name: orders, partitions: 1, replication.factor: 1}
load:
  duration: 1s
  producers: {count: 1, rate: 10, record-size: 100, %s}
  consumers: {count: 1, %s}
  %s
`, properties["producers"], properties["consumers"], properties["clients"]))
}

func configOf(t *testing.T, place, name, value string) program.Config {
	s, err := parsed(place, name, value)
	require.NoError(t, err)
	cfg, err := workload(s.Resolve(), nil)
	require.NoError(t, err)
	return cfg
}

// Every property that a scenario may give its clients reaches them: whatever is
// accepted changes what they are made with.
func TestEveryPropertyOfClientsReachesThem(t *testing.T) {
	others := map[string]string{"acks": "1", "enable.idempotence": "false", "weir.resend.under.new.epoch": "true", "weir.fetch.sessions": "true", "isolation.level": "read_committed", "client.rack": "rack-2", "group.protocol": "consumer", "compression.type": "lz4"}
	require.Equal(t, configOf(t, "", "", ""), configOf(t, "", "", ""), "what is the same compares as the same")
	clients, producers, consumers := scenario.KnownProperties()
	for place, names := range map[string][]string{"clients": clients, "producers": producers, "consumers": consumers} {
		for _, name := range names {
			values := []string{"1", "3"} // the least of most, and more
			if v, ok := others[name]; ok {
				values = []string{v}
			} else if name == "fetch.min.bytes" {
				values = []string{"3"} // 1 is the default
			}
			for _, value := range values {
				require.NotEqual(t, configOf(t, place, "", ""), configOf(t, place, name, value), "%s of %s: %s does nothing", name, place, value)
			}
		}
	}
}

// A number that clients cannot have is refused by name: none becomes another by
// being cut to fewer bits, and none the default by being 0.
func TestNumbersThatClientsCannotHaveAreRefused(t *testing.T) {
	zero := []string{"linger.ms", "max.block.ms", "retries", "fetch.max.wait.ms"}
	clients, producers, consumers := scenario.KnownProperties()
	for place, names := range map[string][]string{"clients": clients, "producers": producers, "consumers": consumers} {
		for _, name := range names {
			if name == "client.rack" {
				continue // any word
			}
			if _, err := parsed(place, name, "many"); err == nil || !strings.Contains(err.Error(), "whole number") {
				require.Error(t, err, name)
				continue // no number
			}
			for _, value := range []string{"-1", "0", "9223372036854775808"} {
				_, err := parsed(place, name, value)
				if value != "0" || !strings.Contains(strings.Join(zero, " "), name) {
					require.ErrorContains(t, err, name, "%s", value)
				}
			}
			// What is accepted is not cut: a large number is refused, or differs
			// from what its low 32 bits are.
			if s, err := parsed(place, name, "4294967299"); err == nil {
				cfg, err := workload(s.Resolve(), nil)
				require.NoError(t, err)
				require.NotEqual(t, configOf(t, place, name, "3"), cfg, name)
			}
		}
	}
	for _, name := range []string{"linger.ms", "max.block.ms", "fetch.max.wait.ms"} {
		place := "producers"
		if name == "fetch.max.wait.ms" {
			place = "consumers"
		}
		require.NotEqual(t, configOf(t, place, "", ""), configOf(t, place, name, "0"), name)
	}
}
