package main

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirlab/weir/reports/rundir"
	"github.com/weirlab/weir/workloads/scenario"
)

// Every setting of a report says whose it is where there is more than one that
// it could be of, and nothing else where there is one.
func TestSettingsSayWhoseTheyAre(t *testing.T) {
	parse := func(text string) map[string]string {
		s, err := scenario.Parse("s.yaml", []byte("name: s\nseed: 1\n"+text))
		require.NoError(t, err)
		set := map[string]string{}
		for _, one := range rundir.Settings(s) {
			require.NotContains(t, set, one.Name)
			set[one.Name] = one.Value
		}
		return set
	}
	require.Equal(t, map[string]string{
		"partitions": "2", "replication.factor": "3", "topic: flush.messages": "1", "producers": "1", "consumers": "1", "committers": "0",
		"records per second": "7", "record size in bytes": "100", "producer: acks": "1", "consumer: max.poll.records": "9", "history": "every record",
	}, parse(`
topic: {name: a, partitions: 2, replication.factor: 3, configs: {flush.messages: 1}}
load: {duration: 1s, producers: {count: 1, rate: 7, record-size: 100, properties: {acks: 1}}, consumers: {count: 1, properties: {max.poll.records: 9}}}
`))
	require.Equal(t, map[string]string{
		"topic a: partitions": "2", "topic a: replication.factor": "3", "topic a: flush.messages": "1",
		"topic b: partitions": "4", "topic b: replication.factor": "1",
		"producers": "5", "consumers": "1", "committers": "0", "history": "every record",
		"producers 1 on a: count": "2", "producers 1 on a: records per second": "7", "producers 1 on a: record size in bytes": "100", "producers 1 on a: acks": "1",
		"producers 2 on b: count": "3", "producers 2 on b: records per second": "8", "producers 2 on b: record size in bytes": "200", "producers 2 on b: arrivals": "poisson",
		"consumer: max.poll.records": "9",
	}, parse(`
topics: [{name: a, partitions: 2, replication.factor: 3, configs: {flush.messages: 1}}, {name: b, partitions: 4, replication.factor: 1}]
load:
  duration: 1s
  programs:
    - producers: {topic: a, count: 2, rate: 7, record-size: 100, properties: {acks: 1}}
    - producers: {topic: b, count: 3, rate: 8, arrivals: poisson, record-size: 200}
    - consumers: {topic: b, count: 1, properties: {max.poll.records: 9}}
`))
}
