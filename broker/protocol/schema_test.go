package protocol

import (
	"encoding/binary"
	"reflect"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirlab/weir/env/envtest"
)

// fill gives every field of a message a value that is not its default, and
// every array n elements.
func fill(v reflect.Value, n int) {
	switch v.Kind() {
	case reflect.Struct:
		if tags, ok := v.Addr().Interface().(*kmsg.Tags); ok {
			tags.Set(77, []byte("tag"))
			return
		}
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() && v.Type().Field(i).Name != "Version" {
				fill(v.Field(i), n)
			}
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), n, n))
		for i := range n {
			fill(v.Index(i), n)
		}
	case reflect.Array:
		for i := range v.Len() {
			fill(v.Index(i), n)
		}
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem(), n)
	case reflect.String:
		v.SetString("weir")
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		v.SetInt(3)
	case reflect.Uint8, reflect.Uint16:
		v.SetUint(3)
	case reflect.Float64:
		v.SetFloat(1)
	default:
		panic(v.Kind())
	}
}

// eachRequest calls fn for every version of every request with a message whose
// arrays have n elements.
func eachRequest(t *testing.T, n int, fn func(t *testing.T, h Header, s *schema, body []byte)) {
	for key := range int16(kmsg.MaxKey + 1) {
		kind := kmsg.RequestForKey(key)
		if kind == nil {
			continue
		}
		s, err := schemaOf(key)
		require.NoError(t, err)
		t.Run(kmsg.NameForKey(key), func(t *testing.T) {
			for version := range kind.MaxVersion() + 1 {
				req := kmsg.RequestForKey(key)
				fill(reflect.ValueOf(req).Elem(), n)
				req.SetVersion(version)
				fn(t, Header{Key: key, Version: version}, s, req.AppendTo(nil))
			}
		})
	}
}

func TestEveryRequestIsWalkedToItsEnd(t *testing.T) {
	for _, n := range []int{0, 1, 3} {
		eachRequest(t, n, func(t *testing.T, h Header, s *schema, body []byte) {
			w := walker{src: body, version: h.Version, flexible: h.Version >= s.flexibleFrom}
			w.walk(s.fields)
			require.False(t, w.bad, "v%d", h.Version)
			require.Empty(t, w.src, "v%d", h.Version)
			for i := range body {
				w := walker{src: body[:i], version: h.Version, flexible: h.Version >= s.flexibleFrom}
				w.walk(s.fields)
				require.True(t, w.bad, "v%d cut at byte %d of %d", h.Version, i, len(body))
			}
		})
	}
}

// allocated is how much fn allocates.
func allocated(fn func()) int64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	fn()
	runtime.ReadMemStats(&after)
	return int64(after.TotalAlloc - before.TotalAlloc)
}

// structBytes is above the size of any request without what its fields refer to.
const structBytes = 1024

// TestDecodingCostsInProportionToTheBytes gives the decoder of every version of
// every request bodies that are valid, cut off, and hostile: a count or length
// of any size at each position, with little or much behind it. What the schema
// says of the memory is enough for what the codec takes, never more than
// decodedPerByte for each byte, and what it refuses the codec refuses too.
func TestDecodingCostsInProportionToTheBytes(t *testing.T) {
	envtest.NoRaces(t, "a decoder")
	const much = 2048
	fillers := [][]byte{make([]byte, much), make([]byte, much), make([]byte, much)}
	for i := range much {
		fillers[1][i] = 1
		fillers[2][i] = byte(i % 4) // among others tag sections of tags 2 and 3
	}
	worst := 0.0
	eachRequest(t, 1, func(t *testing.T, h Header, s *schema, body []byte) {
		bodies := [][]byte{body}
		for at := range body {
			bodies = append(bodies, body[:at])
			for _, count := range [][]byte{
				binary.AppendUvarint(nil, much/4), binary.AppendUvarint(nil, much+1), binary.AppendUvarint(nil, 1<<32-1),
				{0, 0, much / 4 >> 8, 0}, {0, 0, much >> 8, 0}, {0x7f, 0xff, 0xff, 0xff},
			} {
				bodies = append(bodies, append(append([]byte(nil), body[:at]...), count...))
				for _, f := range fillers {
					bodies = append(bodies, append(append(append([]byte(nil), body[:at]...), count...), f...))
				}
			}
		}
		var bound int64
		var decoding []message
		for _, b := range bodies {
			req := kmsg.RequestForKey(h.Key)
			req.SetVersion(h.Version)
			cost, err := s.decodedBytes(h.Version, b)
			if err != nil {
				require.Error(t, req.ReadFrom(b), "v%d: refused though it decodes: %x", h.Version, b)
				continue
			}
			perByte := float64(cost) / float64(len(b)+8)
			worst = max(worst, perByte)
			require.LessOrEqual(t, perByte, float64(decodedPerByte), "v%d: %x", h.Version, b)
			bound += cost + structBytes
			decoding = append(decoding, message{req: req, body: b})
		}
		took := allocated(func() {
			for _, m := range decoding {
				_ = m.req.ReadFrom(m.body)
			}
		})
		require.LessOrEqual(t, took, bound+64<<10, "v%d", h.Version)
	})
	t.Logf("the worst body of a request decodes to %.0f bytes per byte", worst)
}
