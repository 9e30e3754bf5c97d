package brokertest

import (
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirlab/weir/broker/protocol"
)

// Fail answers the request with an error of Kafka's, and does nothing else of
// it. Of a request for several partitions it fails the chosen ones, and does the
// others. A request that expects no answer (acks=0) has its connection closed, as
// in Kafka.
func (o *On) Fail(err *kerr.Error) *Fault {
	return o.fail("failure with "+err.Message, err, false)
}

// DoAndFail is Fail for requests that are done nevertheless: the client cannot
// know whether they were.
func (o *On) DoAndFail(err *kerr.Error) *Fault {
	return o.fail("failure after the fact with "+err.Message, err, true)
}

func (o *On) fail(does string, err *kerr.Error, done bool) *Fault {
	if !refusable(o.key.Int16()) {
		o.cluster.fatalf("brokertest: an answer to %s cannot carry an error", o.key.Name())
	}
	f := o.fault(does)
	if o.key == kmsg.Metadata { // an answer that is about brokers only has no place for an error
		f.on.when = append(slices.Clip(f.on.when), func(_ int32, call *protocol.Call) bool {
			topics := call.Request.(*kmsg.MetadataRequest).Topics
			return topics == nil || len(topics) > 0
		})
	}
	f.act = func(r request) protocol.Pending {
		if produce, ok := r.call.Request.(*kmsg.ProduceRequest); ok && produce.Acks == 0 {
			if done {
				return closeAfter(r)
			}
			return closeInstead(r)
		}
		chosen := f.selects(r.broker)
		refused := refuse(r.call.Request, err, chosen)
		if refused == nil { // only the broker can make the answer, and the errors come into it
			return changed{r.do(r.call), func(resp kmsg.Response) kmsg.Response {
				spoil(resp, err.Code, chosen)
				return resp
			}}
		}
		if !done && !leaveOut(r.call.Request, chosen) {
			return answered{refused}
		}
		return changed{r.do(r.call), func(resp kmsg.Response) kmsg.Response { return merge(resp, refused) }}
	}
	return f.add()
}

// Delay lets the request wait for so long before it is done. Requests that
// follow on its connection wait too, as they always do for their turn.
func (o *On) Delay(d time.Duration) *Fault {
	f := o.fault("delay")
	f.wait = func() { f.pause(d) }
	return f.add()
}

// Hold lets the request wait until the fault is removed.
func (o *On) Hold() *Fault {
	f := o.fault("holding")
	f.wait = func() { <-f.released }
	return f.add()
}

// DelayAnswer does the request at once and lets its answer wait for so long.
func (o *On) DelayAnswer(d time.Duration) *Fault {
	f := o.fault("delay of the answer")
	f.act = func(r request) protocol.Pending {
		return delayed{changed{r.do(r.call), func(resp kmsg.Response) kmsg.Response {
			f.pause(d)
			return resp
		}}}
	}
	return f.add()
}

// delayed is a request whose answer is never there at once.
type delayed struct{ changed }

func (delayed) Done() bool { return false }

// Hangup closes the connection instead of doing the request.
func (o *On) Hangup() *Fault {
	f := o.fault("hang-up instead")
	f.act = closeInstead
	return f.add()
}

func closeInstead(r request) protocol.Pending {
	r.call.HangUp(errHungUp)
	return answered{}
}

// LoseAnswer does the request and closes the connection instead of answering it.
func (o *On) LoseAnswer() *Fault {
	f := o.fault("loss of the answer")
	f.act = closeAfter
	return f.add()
}

func closeAfter(r request) protocol.Pending {
	pending := r.do(r.call)
	pending.Response() // it is done altogether before the client can ask again
	r.call.HangUp(errLost)
	return answered{}
}

// Answer answers the request with what answer returns, and does nothing of it. A
// nil answer sends none, and the client waits.
func (o *On) Answer(answer func(req kmsg.Request) kmsg.Response) *Fault {
	f := o.fault("other answer")
	f.act = func(r request) protocol.Pending { return answered{answer(r.call.Request)} }
	return f.add()
}

// Change does the request and lets change alter its answer.
func (o *On) Change(change func(req kmsg.Request, resp kmsg.Response)) *Fault {
	f := o.fault("change of the answer")
	f.act = func(r request) protocol.Pending {
		req := r.call.Request
		return changed{r.do(r.call), func(resp kmsg.Response) kmsg.Response {
			if resp != nil {
				change(req, resp)
			}
			return resp
		}}
	}
	return f.add()
}
