package broker_test

import (
	"encoding/binary"
	"io"
	"net"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirlab/weir/broker/protocol"
)

// kafkaMinima are the oldest versions that the two listeners of Apache Kafka
// 4.3.1 tell of, -1 where an API is not told of. Clients take them for more
// than they say: librdkafka reads from those of Produce whether it may
// compress, and from those of OffsetCommit where offsets are kept.
var kafkaMinima = map[int16]struct{ broker, controller int16 }{
	0: {0, -1}, 1: {4, 4}, 2: {1, -1}, 3: {0, -1}, 8: {2, -1}, 9: {1, -1}, 10: {0, -1}, 11: {0, -1}, 12: {0, -1},
	13: {0, -1}, 14: {0, -1}, 15: {0, -1}, 16: {0, -1}, 17: {0, 0}, 18: {0, 0}, 19: {2, 2}, 20: {1, 1}, 21: {0, -1},
	22: {0, -1}, 23: {2, -1}, 24: {0, -1}, 25: {0, -1}, 26: {0, -1}, 27: {1, -1}, 28: {0, -1}, 29: {1, 1}, 30: {1, 1},
	31: {1, 1}, 32: {1, 1}, 33: {0, 0}, 34: {1, -1}, 35: {1, -1}, 36: {0, 0}, 37: {0, 0}, 38: {1, 1}, 39: {1, 1},
	40: {1, 1}, 41: {1, 1}, 42: {0, -1}, 43: {0, 0}, 44: {0, 0}, 45: {0, 0}, 46: {0, 0}, 47: {0, -1}, 48: {0, -1},
	49: {0, 0}, 50: {0, 0}, 51: {0, 0}, 52: {-1, 0}, 53: {-1, 0}, 54: {-1, 0}, 55: {0, 0}, 56: {-1, 2}, 57: {0, 0},
	58: {-1, 0}, 59: {-1, 0}, 60: {0, 0}, 61: {0, -1}, 62: {-1, 0}, 63: {-1, 0}, 64: {0, 0}, 65: {0, -1}, 66: {0, -1},
	67: {-1, 0}, 68: {0, -1}, 69: {0, -1}, 70: {-1, 0}, 73: {-1, 0}, 74: {0, -1}, 75: {0, -1},
	76: {1, -1}, 77: {1, -1}, 78: {1, -1}, 79: {1, -1}, 83: {0, -1}, 84: {0, -1}, 85: {0, -1}, 86: {0, -1}, 87: {0, -1}, 90: {0, -1}, 91: {0, -1}, 92: {0, -1},
	80: {0, 0}, 81: {0, 0}, 82: {-1, 0},
}

// exchange sends one request and returns the answer's frame.
func exchange(t *testing.T, addr string, req kmsg.Request, version int16) ([]byte, error) {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	require.NoError(t, err)
	defer func() { _ = conn.Close() }()
	require.NoError(t, conn.SetDeadline(time.Now().Add(30*time.Second)))
	req.SetVersion(min(version, req.MaxVersion()))
	raw := kmsg.NewRequestFormatter(kmsg.FormatterClientID("test")).AppendRequest(nil, req, 1)
	binary.BigEndian.PutUint16(raw[6:], uint16(version))
	_, err = conn.Write(raw)
	require.NoError(t, err)
	return protocol.ReadFrame(conn, 1<<20)
}

func apiVersions(t *testing.T, addr string, version int16, name string) *kmsg.ApiVersionsResponse {
	t.Helper()
	req := kmsg.NewPtrApiVersionsRequest()
	req.ClientSoftwareName, req.ClientSoftwareVersion = name, "1"
	frame, err := exchange(t, addr, req, version)
	require.NoError(t, err)
	resp := kmsg.NewPtrApiVersionsResponse()
	if resp.Version = version; version > 4 {
		resp.Version = 0
	}
	require.NoError(t, resp.ReadFrom(frame[4:]))
	return resp
}

func controllerAddr(c *cluster) string {
	v := c.configs[0].Voters[0]
	return net.JoinHostPort(v.Host, strconv.Itoa(int(v.Port)))
}

// TestEachListenerAdvertisesWhatKafkasDoes compares keys and oldest versions
// with those of Apache Kafka.
func TestEachListenerAdvertisesWhatKafkasDoes(t *testing.T) {
	c := startCluster(t, 1, nil)
	for addr, want := range map[string]func(key int16) int16{
		c.brokers[0].Addr(): func(key int16) int16 { return kafkaMinima[key].broker },
		controllerAddr(c):   func(key int16) int16 { return kafkaMinima[key].controller },
	} {
		for version := range int16(5) {
			resp := apiVersions(t, addr, version, "weir")
			require.Zero(t, resp.ErrorCode)
			require.NotEmpty(t, resp.ApiKeys)
			for _, k := range resp.ApiKeys {
				require.Equal(t, want(k.ApiKey), k.MinVersion, "%s on %s", kmsg.NameForKey(k.ApiKey), addr)
			}
			if version >= 3 {
				require.Equal(t, "eligible.leader.replicas.version", resp.FinalizedFeatures[0].Name)
				require.EqualValues(t, 1, resp.FinalizedFeatures[0].MaxVersionLevel)
				require.GreaterOrEqual(t, resp.FinalizedFeaturesEpoch, int64(0))
			}
		}
		for version, names := range map[int16][]string{3: {"", "a b"}, 4: {"-a"}} {
			for _, name := range names {
				resp := apiVersions(t, addr, version, name)
				require.Equal(t, kerr.InvalidRequest.Code, resp.ErrorCode, "client software name %q", name)
				require.Empty(t, resp.ApiKeys)
			}
		}
		tooNew := apiVersions(t, addr, 99, "weir")
		require.Equal(t, kerr.UnsupportedVersion.Code, tooNew.ErrorCode)
		require.Len(t, tooNew.ApiKeys, 1)
	}
}

// TestWhatIsForControllersIsRefusedOnTheClientListener and what is advertised
// and not spoken is refused too, in both cases by hanging up.
func TestWhatIsForControllersIsRefusedOnTheClientListener(t *testing.T) {
	c := startCluster(t, 1, nil)
	clients := c.brokers[0].Addr()
	for key, min := range kafkaMinima {
		if min.broker >= 0 {
			continue
		}
		_, err := exchange(t, clients, kmsg.RequestForKey(key), max(min.controller, 0))
		require.ErrorIs(t, err, io.EOF, kmsg.NameForKey(key))
	}
	for version := range int16(3) {
		_, err := exchange(t, clients, kmsg.NewPtrProduceRequest(), version)
		require.ErrorIs(t, err, io.EOF, "Produce v%d", version)
	}
	_, err := exchange(t, controllerAddr(c), kmsg.NewPtrVoteRequest(), 0)
	require.NoError(t, err, "the controller answers")
	_, err = exchange(t, controllerAddr(c), kmsg.NewPtrMetadataRequest(), 9)
	require.ErrorIs(t, err, io.EOF, "the controller serves no clients")
}
