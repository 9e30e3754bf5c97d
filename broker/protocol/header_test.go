package protocol

import (
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kmsg"
)

func TestAHeaderIsTheSameWhateverClientIDIsExpected(t *testing.T) {
	name := "orders-service"
	for _, id := range []*string{nil, kmsg.StringPtr(""), &name} {
		req := kmsg.NewPtrMetadataRequest()
		req.Version = 5
		f := kmsg.NewRequestFormatter()
		if id != nil {
			f = kmsg.NewRequestFormatter(kmsg.FormatterClientID(*id))
		}
		frame := f.AppendRequest(nil, req, 42)[4:]
		want, body, err := ParseHeader(frame)
		require.NoError(t, err)
		for _, known := range []string{"", name, "orders-servicf", "other"} {
			h, rest, err := parseHeader(frame, known)
			require.NoError(t, err)
			require.Equal(t, want, h)
			require.Equal(t, body, rest)
			for n := range len(frame) - len(body) {
				_, _, err := parseHeader(frame[:n], known)
				require.Error(t, err)
			}
		}
	}
}
