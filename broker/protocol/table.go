package protocol

import (
	"fmt"
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

const keyAPIVersions = 18

// Call is one request being handled.
type Call struct {
	Request  kmsg.Request
	ClientID string
	// Remote is the peer's "host:port".
	Remote string
	// Local is the "host:port" at which the peer reached this server.
	Local string

	lent     bool // the request's bytes are free again
	pool     *pool
	borrowed [][]byte
}

// API is one request kind a server answers.
type API struct {
	Key        int16
	MinVersion int16
	MaxVersion int16
	// Handle answers a request; it may block. A nil response sends nothing
	// (Produce with acks=0).
	Handle func(*Call) kmsg.Response
	// KeepsNothing promises that Handle has copied what it needs of byte
	// fields of the request when it returns, and that the response refers to
	// none of them. The next request may then overwrite them.
	KeepsNothing bool
}

// Table is the set of APIs a server answers.
type Table struct {
	apis map[int16]API
	keys []int16
}

// NewTable builds a table. It panics on a duplicate or impossible entry, which
// is a programming error.
func NewTable(apis ...API) *Table {
	t := &Table{apis: make(map[int16]API, len(apis))}
	for _, a := range apis {
		req := kmsg.RequestForKey(a.Key)
		if req == nil || a.MinVersion < 0 || a.MaxVersion > req.MaxVersion() || a.MinVersion > a.MaxVersion {
			panic(fmt.Sprintf("protocol: API %d with versions %d to %d is not in the codec", a.Key, a.MinVersion, a.MaxVersion))
		}
		if _, dup := t.apis[a.Key]; dup {
			panic(fmt.Sprintf("protocol: API %d registered twice", a.Key))
		}
		t.apis[a.Key] = a
		t.keys = append(t.keys, a.Key)
	}
	slices.Sort(t.keys)
	return t
}

// Lookup finds the API for key.
func (t *Table) Lookup(key int16) (API, bool) {
	a, ok := t.apis[key]
	return a, ok
}

// apiVersions is the ApiVersions answer in the given version.
func (t *Table) apiVersions(version int16) *kmsg.ApiVersionsResponse {
	resp := kmsg.NewPtrApiVersionsResponse()
	resp.SetVersion(version)
	for _, key := range t.keys {
		a := t.apis[key]
		k := kmsg.NewApiVersionsResponseApiKey()
		k.ApiKey, k.MinVersion, k.MaxVersion = a.Key, a.MinVersion, a.MaxVersion
		resp.ApiKeys = append(resp.ApiKeys, k)
	}
	return resp
}

// unsupportedAPIVersions answers an ApiVersions request of a version this
// server does not know: the v0 body carries the versions it does (KIP-511).
func (t *Table) unsupportedAPIVersions() *kmsg.ApiVersionsResponse {
	resp := t.apiVersions(0)
	resp.ErrorCode = kerr.UnsupportedVersion.Code
	return resp
}
