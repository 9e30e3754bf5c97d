package protocol

import (
	"fmt"
	"reflect"
	"slices"
	"sync/atomic"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Call is one request being handled. It is valid until Handle or Begin returns.
type Call struct {
	*Session
	Request  kmsg.Request
	ClientID string

	// Kept is of the handler that set it, for the next call of the connection:
	// memory of its answers.
	Kept Kept

	authorizer Authorizer
	access     Access
	hangUp     error
	conn       *connection // nil in tests of handlers
	borrowed   [][]byte
	reserved   int64 // of the answers' budget
}

// Kept is what a handler keeps from one call of a connection to the next.
type Kept interface {
	// Release is called once the answer is encoded. What it refers to, and what
	// is too large to be kept by every idle connection, must be let go.
	Release()
}

// Authorized reports whether the session may do what the request's API asks
// for to the resource of that name.
func (c *Call) Authorized(name string) bool {
	return c.access == Access{} || c.authorizer.Authorize(c.Session, c.access, name)
}

// May reports whether the session may do something to a resource of that name
// which is not what the request's API asks for in the first place.
func (c *Call) May(access Access, name string) bool {
	return c.authorizer.Authorize(c.Session, access, name)
}

// permitted reports whether the call may go on as a whole.
func (c *Call) permitted() bool {
	return c.access.Resource != kmsg.ACLResourceTypeCluster || c.Authorized(ClusterResource)
}

// HangUp closes the connection once every earlier request is answered. This one
// is not: a request that expects no answer (acks=0) has no other way to be told
// of an error.
func (c *Call) HangUp(reason error) { c.hangUp = reason }

// Pending is a request that has been done as far as its order matters.
type Pending interface {
	// Done reports whether Response would return at once.
	Done() bool

	// Response waits for what is still open and makes the answer. It is called
	// once, from another task than the one that began. A nil answer sends nothing.
	Response() kmsg.Response
}

// API is one request kind a server answers.
type API struct {
	Key        int16
	MinVersion int16
	MaxVersion int16
	// AdvertisedMin is the oldest version that ApiVersions tells of, where that
	// is not MinVersion. Kafka tells of Produce v0, which it refuses, because
	// clients read from it what a broker can compress (KAFKA-18659).
	AdvertisedMin *int16

	// Listeners are the kinds of listeners that serve and advertise the API.
	Listeners ListenerKinds
	// Access is what the API needs leave for. Access to the cluster is asked for
	// before Handle or Begin; access to other resources they ask for
	// themselves, with Call.Authorized.
	Access Access

	// Handle answers a request; it may block, and then the next request of the
	// connection waits, as in Kafka. A nil response sends nothing (Produce with
	// acks=0).
	Handle func(*Call) kmsg.Response
	// Begin, given instead of Handle, does in the order of requests what must
	// be done in that order, and waits for other machines only where the order
	// demands it. Requests that follow may be begun before this one is answered.
	Begin func(*Call) Pending

	// KeepsNothing promises that Handle or Begin has copied what it needs of
	// byte fields of the request when it returns, and that the response refers
	// to none of them. The next request may then overwrite them.
	KeepsNothing bool

	// LargeAnswers says that answers grow with the cluster, and that Handle does
	// not wait for long. Room for one is taken before it is made, as much as the
	// largest so far needed.
	LargeAnswers bool

	// Refuse answers a request that its session has no leave for, where answers
	// have no error code for the whole.
	Refuse func(req kmsg.Request, code int16) kmsg.Response

	schema  *schema
	largest *atomic.Int64 // bytes of the largest answer beyond freeBytes so far
}

// Do does a request outside of any connection, with the rights of whoever has
// the table. An error is why a connection would have been closed.
func (a API) Do(call *Call) (kmsg.Response, error) {
	call.authorizer = AllowAll{}
	var resp kmsg.Response
	if a.Begin != nil {
		resp = a.Begin(call).Response()
	} else {
		resp = a.Handle(call)
	}
	if call.hangUp != nil {
		return nil, call.hangUp
	}
	if resp != nil {
		resp.SetVersion(call.Request.GetVersion())
	}
	return resp, nil
}

// Table is the set of APIs a server answers.
type Table struct {
	apis     map[int16]API
	keys     []int16
	features func() (list []Feature, epoch int64)
	versions func(*Call) kmsg.Response // the handler of ApiVersions, where it is wrapped
}

// Feature is a part of a cluster's behaviour that has versions of its own
// (KIP-584).
type Feature struct {
	Name       string
	MinVersion int16 // supported
	MaxVersion int16
	Level      int16 // the version in force, 0 if none is
}

// SetFeatures says which features ApiVersions tells of. A later state of them has
// a larger epoch.
func (t *Table) SetFeatures(features func() (list []Feature, epoch int64)) { t.features = features }

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
		if a.Listeners == 0 {
			panic(fmt.Sprintf("protocol: API %d has no kind of listener", a.Key))
		}
		if a.Access.Resource == kmsg.ACLResourceTypeCluster && errorField(req.ResponseKind()) == nil && a.Refuse == nil {
			panic(fmt.Sprintf("protocol: API %d cannot be refused as a whole: its answer has no error code", a.Key))
		}
		var err error
		if a.schema, err = schemaOf(a.Key); err != nil {
			panic(err)
		}
		a.largest = &atomic.Int64{}
		t.apis[a.Key] = a
		t.keys = append(t.keys, a.Key)
	}
	slices.Sort(t.keys)
	return t
}

// Wrap is the table in which wrap has replaced what is done for each API: how
// tests of clients come between a request and its handler. What the API is
// called, speaks and needs leave for stays. ApiVersions is wrapped as its handler
// would answer what it understands; what it does not is answered as ever.
func (t *Table) Wrap(wrap func(API) API) *Table {
	wrapped := &Table{apis: make(map[int16]API, len(t.apis)), keys: t.keys, features: t.features}
	for _, key := range t.keys {
		a := t.apis[key]
		if key == keyAPIVersions {
			a.Handle = func(call *Call) kmsg.Response { return t.apiVersions(call.Request.GetVersion(), call.Listener) }
		}
		w := wrap(a)
		a.Handle, a.Begin = w.Handle, w.Begin
		wrapped.apis[key] = a
		if key == keyAPIVersions {
			wrapped.versions = a.Handle
		}
	}
	return wrapped
}

// Lookup finds the API for key.
func (t *Table) Lookup(key int16) (API, bool) {
	a, ok := t.apis[key]
	return a, ok
}

// find is the API of a request, if the session may send it in this version.
func (t *Table) find(h Header, s *Session) (API, error) {
	api, ok := t.apis[h.Key]
	switch {
	case !ok:
		return api, fmt.Errorf("protocol: request for API key %d, which this server does not offer", h.Key)
	case api.Listeners&s.Listener == 0:
		return api, fmt.Errorf("protocol: request for %s, which this listener does not serve", kmsg.NameForKey(h.Key))
	case h.Version < api.MinVersion || h.Version > api.MaxVersion:
		return api, fmt.Errorf("protocol: %s v%d: this server speaks versions %d to %d", kmsg.NameForKey(h.Key), h.Version, api.MinVersion, api.MaxVersion)
	}
	return api, nil
}

// refusal answers a request whose session has no access to the cluster.
func (a API) refusal(req kmsg.Request) kmsg.Response {
	if a.Refuse != nil {
		return a.Refuse(req, kerr.ClusterAuthorizationFailed.Code)
	}
	resp := req.ResponseKind()
	*errorField(resp) = kerr.ClusterAuthorizationFailed.Code
	return resp
}

// errorField is the error code of a whole answer, nil if it has none.
func errorField(resp kmsg.Response) *int16 {
	field := reflect.ValueOf(resp).Elem().FieldByName("ErrorCode")
	if !field.IsValid() {
		return nil
	}
	code, _ := field.Addr().Interface().(*int16)
	return code
}
