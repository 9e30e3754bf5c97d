package consumer

import (
	"encoding/hex"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirlab/weir/broker/metadata"
)

// samples are records of all kinds.
func samples() []Record {
	one, two := metadata.TopicID{1}, metadata.TopicID{2}
	return []Record{
		{GroupEpoch, "", &Epoch{Epoch: 3}},
		{GroupEpoch, "", &Epoch{Epoch: 3, Hash: -5}},
		{MemberMetadata, "m", &Metadata{ClientID: "c", ClientHost: "/h", RebalanceTimeoutMillis: 5}},
		{MemberMetadata, "m", &Metadata{InstanceID: "i", RackID: "r", ClientID: "c", ClientHost: "/h", Topics: []string{"t", "u"}, Expression: "v.*",
			RebalanceTimeoutMillis: -1, Assignor: "range", Classic: &Classic{SessionTimeoutMillis: 7, Protocols: []Protocol{{"range", []byte{1, 2}}}}}},
		{TargetEpoch, "", &Target{Epoch: 3}},
		{TargetEpoch, "", &Target{Epoch: 3, TimestampMilli: 1e12}},
		{TargetOfMember, "m", []Partition{{one, 0}, {one, 2}, {two, 1}}},
		{CurrentOfMember, "m", &Current{Epoch: 3, Previous: 2, State: Unrevoked, Assigned: []Owned{{Partition{one, 0}, 2}, {Partition{two, 1}, 3}}, Revoking: []Owned{{Partition{one, 1}, 1}}}},
		{RegularExpression, "v.*", &Resolved{Topics: []string{"v1"}, Version: 9, TimestampMilli: 1e12}},
		{ShareGroupEpoch, "", &Epoch{Epoch: 3, Hash: -5}},
		{ShareMemberMetadata, "m", &Metadata{RackID: "r", ClientID: "c", ClientHost: "/h", Topics: []string{"t", "u"}}},
		{ShareTargetEpoch, "", &Target{Epoch: 3, TimestampMilli: 1e12}},
		{ShareTargetOfMember, "m", []Partition{{one, 0}, {two, 1}}},
		{ShareCurrentOfMember, "m", &Current{Epoch: 3, Previous: 2, Assigned: []Owned{{Partition: Partition{one, 0}}}}},
		{ShareState, "", &Sharing{Initializing: []SharedTopic{{ID: one, Name: "t", Partitions: []int32{2, 3}}},
			Initialized: []SharedTopic{{ID: one, Name: "t", Partitions: []int32{0, 1}}}, Deleting: []SharedTopic{{ID: two, Name: "u"}}}},
		{Kind: ShareState}, {Kind: ShareCurrentOfMember, Name: "m"},
		{Kind: GroupEpoch}, {Kind: OldTopics}, {Kind: MemberMetadata, Name: "m"}, {Kind: CurrentOfMember, Name: "m"}, {Kind: RegularExpression, Name: "v.*"},
	}
}

func TestRecordsReadAsTheyWereWritten(t *testing.T) {
	for _, r := range samples() {
		group, got, err := Read(r.Key("g"), r.Bytes())
		require.NoError(t, err)
		require.Equal(t, "g", group)
		require.Equal(t, r, got)
		if r.Value == nil {
			require.Nil(t, r.Bytes())
		}
	}
}

// The bytes are Kafka's: its schemas (common/message/ConsumerGroup*.json of 4.3) by hand.
func TestRecordsAreKafkas(t *testing.T) {
	of := func(r Record) string { return hex.EncodeToString(r.Key("g")) + " " + hex.EncodeToString(r.Bytes()) }
	id := metadata.TopicID{0xab}
	zeros := "ab" + "000000000000000000000000000000"
	require.Equal(t, "0003000167 0000"+"00000007"+"00", of(Record{GroupEpoch, "", &Epoch{Epoch: 7}}))
	require.Equal(t, "0003000167 0000"+"00000007"+"010008"+"0000000000000009", of(Record{GroupEpoch, "", &Epoch{7, 9}}))
	require.Equal(t, "000700016700016d 0000"+"02"+zeros+"03"+"00000000"+"00000005"+"00"+"00",
		of(Record{TargetOfMember, "m", []Partition{{id, 0}, {id, 5}}}))
	require.Equal(t, "000800016700016d 0000"+"00000003"+"00000002"+"02"+"02"+zeros+"02"+"00000005"+"01"+"00"+"05"+"02"+"00000003"+"01"+"00",
		of(Record{CurrentOfMember, "m", &Current{3, 2, Unreleased, []Owned{{Partition{id, 5}, 3}}, nil}}))
	require.Equal(t, "000500016700016d 0000"+"00"+"00"+"0263"+"032f68"+"02"+"0274"+"00"+"00000005"+"00"+"00",
		of(Record{MemberMetadata, "m", &Metadata{ClientID: "c", ClientHost: "/h", Topics: []string{"t"}, RebalanceTimeoutMillis: 5}}))
}

// Whatever stands in the log, it is read or refused, and what was read is written as
// what reads the same.
func FuzzRead(f *testing.F) {
	for _, r := range samples() {
		f.Add(r.Key("g"), r.Bytes())
	}
	f.Add([]byte{0, 8, 0, 1, 'g', 0, 1, 'm'}, []byte{0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0x0f})
	f.Fuzz(func(t *testing.T, key, value []byte) {
		group, r, err := Read(key, value)
		if err != nil {
			return
		}
		g := New(group)
		if r.Kind.Shared() {
			g = NewShare(group)
		}
		g.Apply(r)
		if r.Kind == OldTopics {
			return
		}
		again, same, err := Read(r.Key(group), r.Bytes())
		require.NoError(t, err)
		require.Equal(t, group, again)
		require.Equal(t, r, same)
	})
}
