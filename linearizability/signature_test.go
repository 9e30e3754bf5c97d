package linearizability

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestASignatureIsTheKindOfAFinding(t *testing.T) {
	on := func(topic string, partition int32, sentence string) *Finding {
		return &Finding{Code: "K2", Topic: topic, Partition: partition, Sentence: sentence}
	}
	same := [][2]*Finding{
		{on("orders", 3, "offset 1204 of orders-3 was acknowledged to client 7 with acks=all at 8.391 s and is absent"),
			on("audit-2", 11, "offset 5 of audit-2-11 was acknowledged to client 12 with acks=all at 0.020 s and is absent")},
		{on("o", 0, "broker 2 could be elected leader of o-0 (ISR [2 3], ELR []), at 1.000 s"),
			on("o", 1, "broker 1 could be elected leader of o-1 (ISR [1], ELR [2 3]), at 12.5 s")},
		{on("o", 0, "offsets 1 to 2 of epoch 3 (CRC 0badf00d)"), on("o", 0, "offsets 10 to 29 of epoch 31 (CRC 11111111)")},
		{on("", 0, "did not recover within 1m0s after healing"), on("", 0, "did not recover within 20s after healing")},
		{on("o", 0, "held by brokers 1, 2 and 3."), on("o", 0, "held by broker 2.")},
		{on("", 0, "seed 0xff"), on("", 0, "seed 0x0123")},
	}
	for _, pair := range same {
		require.Equal(t, pair[0].Signature(), pair[1].Signature())
	}
	require.Equal(t, "K2: offset # of a partition was acknowledged to client # with acks=all at # s and is absent", same[0][0].Signature())
	other := on("orders", 3, "offset 1204 of orders-3 was acknowledged to client 7 with acks=1 at 8.391 s and is absent")
	require.NotEqual(t, same[0][0].Signature(), on("orders", 3, "offset 12 of orders-3 was read by client 7").Signature())
	require.Equal(t, "K2: offset # of a partition was acknowledged to client # with acks=# at # s and is absent", other.Signature())

	v := Verdict{Findings: []Finding{{Code: "K12", Sentence: "broker 2 waits"}, {Code: "K2", Topic: "__consumer_offsets", Sentence: "lost"}, *same[1][0], *same[0][0], *same[0][1]}}
	require.Equal(t, "K2: broker # could be elected leader of a partition (ISR [#], ELR [#]), at # s", v.Signature(), "what clients see comes first, then the order")
	require.Equal(t, []string{"K12: broker # waits", "K2: lost", same[1][1].Signature(), same[0][1].Signature()}, v.Signatures())
	require.Empty(t, (&Verdict{}).Signature())
	require.Nil(t, (&Verdict{}).Gravest())
	require.Empty(t, (&Verdict{}).Signatures())
}
