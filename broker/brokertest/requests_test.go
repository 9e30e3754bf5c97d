package brokertest_test

import (
	"reflect"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirlab/weir/broker/protocol"
	"github.com/weirlab/weir/env/osenv"
	"github.com/weirlab/weir/env/osenv/osenvtest"
)

// exchange sends a request over a connection of its own.
func exchange(t *testing.T, addr string, req kmsg.Request) kmsg.Response {
	t.Helper()
	e := osenvtest.New(t, osenv.Options{})
	cl, err := protocol.Dial(e, addr, "test", 10*time.Second)
	require.NoError(t, err)
	defer cl.Close()
	resp, err := cl.Request(req, 10*time.Second)
	require.NoError(t, err, "%s v%d", kmsg.NameForKey(req.Key()), req.GetVersion())
	return resp
}

// full is a request of a kind that asks for one thing in every list that it has:
// of topic orders, partition 0, and of things called "x".
func full(key int16) kmsg.Request {
	req := kmsg.RequestForKey(key)
	if req == nil {
		return nil
	}
	if d, ok := req.(interface{ Default() }); ok {
		d.Default()
	}
	fill(reflect.ValueOf(req).Elem())
	switch req := req.(type) {
	case *kmsg.ProduceRequest:
		req.Acks = 1
	case *kmsg.ApiVersionsRequest:
		req.ClientSoftwareName, req.ClientSoftwareVersion = "x", "1"
	case *kmsg.FetchRequest:
		req.SessionID, req.SessionEpoch, req.ForgottenTopics, req.ReplicaID, req.ReplicaState.ID = 0, -1, nil, -1, -1
	}
	return req
}

func fill(v reflect.Value) {
	for i := range v.NumField() {
		f, name := v.Field(i), v.Type().Field(i).Name
		switch f.Kind() {
		case reflect.Slice:
			if name == "UnknownTags" || f.Type().Elem().Kind() == reflect.Uint8 {
				continue
			}
			f.Set(reflect.MakeSlice(f.Type(), 1, 1))
			switch e := f.Index(0); e.Kind() {
			case reflect.Struct:
				if d, ok := e.Addr().Interface().(interface{ Default() }); ok {
					d.Default()
				}
				fill(e)
			case reflect.String:
				e.SetString("x")
			}
		case reflect.String:
			if f.SetString("x"); name == "Topic" {
				f.SetString("orders")
			}
		case reflect.Pointer:
			if name == "Topic" {
				topic := "orders"
				f.Set(reflect.ValueOf(&topic))
			}
		case reflect.Struct:
			if name != "UnknownTags" {
				fill(f)
			}
		}
	}
}

// codes are all error codes in a message.
func codes(resp kmsg.Response) (all []int16) {
	var walk func(v reflect.Value)
	walk = func(v reflect.Value) {
		switch v.Kind() {
		case reflect.Slice:
			for i := range v.Len() {
				walk(v.Index(i))
			}
		case reflect.Struct:
			for i := range v.NumField() {
				if v.Type().Field(i).Name == "ErrorCode" {
					all = append(all, int16(v.Field(i).Int()))
				} else if v.Type().Field(i).IsExported() {
					walk(v.Field(i))
				}
			}
		}
	}
	walk(reflect.ValueOf(resp).Elem())
	return all
}
