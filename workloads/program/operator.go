package program

import (
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirlab/weir/env"
	"github.com/weirlab/weir/linearizability"
	"github.com/weirlab/weir/workloads/client"
)

// operator is a client that asks for changes of a cluster, one after the other,
// and takes down every answer ([linearizability.Administration]).
type operator struct {
	w    *Workload
	e    env.Env
	c    *client.Client
	rand *env.Rand
	who  string // name of the client

	process int64
	name    string // of the topic that it works on, and of its group
}

// operator is a client with draws of its own.
func (w *Workload) operator(e env.Env, c *client.Client, stream, who string, process int64) operator {
	return operator{w: w, e: e, c: c, rand: e.Rand(stream, who), who: who, process: process}
}

// begin waits until the load has begun and, so that operators do not act as one, for
// up to a pause.
func (o *operator) begin(pause time.Duration) {
	if wait := o.w.cfg.Start - o.w.now(o.e) + time.Duration(o.rand.Int64n(int64(pause)+1)); wait > 0 {
		o.e.Sleep(wait)
	}
}

// every acts at intervals while the load lasts.
func (o *operator) every(pause time.Duration, act func()) {
	for !o.w.over(o.e) {
		act()
		o.e.Sleep(pause)
	}
}

// meet has the client learn of the brokers with a topic that it has use for.
func (o *operator) meet(about *topic) {
	_, _, _ = o.c.Admin().ListOffset(about.partition(0), client.TimestampLatest, o.w.requestTimeout())
}

// ask sends a request and takes down what came of it. wrong says what is wrong
// with an answer that came, "" if nothing is.
func (o *operator) ask(what string, req kmsg.Request, wrong func(kmsg.Response) string) (kmsg.Response, error) {
	broker := int32(-1)
	if o.rand.Chance(1, 2) {
		broker = int32(1 + o.rand.Intn(len(o.w.cfg.Client.Bootstrap)))
	}
	call := o.e.Now()
	resp, err := o.c.Request(broker, req, o.w.requestTimeout())
	said := ""
	if err == nil {
		if said = wrong(resp); said == "" && hasCode(resp, kerr.UnknownServerError.Code) {
			said = "the answer has the error code UNKNOWN_SERVER_ERROR"
		}
	}
	o.tell(what, call, err, said)
	return resp, err
}

// tell takes down an operation.
func (o *operator) tell(what string, call time.Duration, err error, wrong string) {
	if log, ok := o.w.rec.(interface {
		AddAdministration(linearizability.Administration)
	}); ok {
		log.AddAdministration(linearizability.Administration{
			Process: o.process, Op: what, Topic: o.name, Call: call, Return: o.e.Now(), Error: reason(err), Wrong: wrong,
		})
	}
}

// change asks for a change of the operator's topic, of whose outcome code tells, and
// reports whether it was made. wrong says what is wrong if it was. known is false
// if nobody can say: the request may still be under way, and be carried out at any
// time.
func (o *operator) change(what string, req kmsg.Request, code func(kmsg.Response) int16, wrong string) (made, known bool) {
	resp, err := o.ask(what, req, func(resp kmsg.Response) string {
		if code(resp) == 0 {
			return wrong
		}
		return ""
	})
	return err == nil && code(resp) == 0, err == nil
}

// settle waits until nothing is unlike what it is to be, and takes down what is
// when time is up.
func (o *operator) settle(what string, unlike func() string) {
	call, deadline := o.e.Now(), o.w.end()+o.w.cfg.Drain
	for {
		why := unlike()
		if why == "" || o.w.now(o.e) >= deadline {
			o.tell(what, call, nil, why)
			return
		}
		o.e.Sleep(200 * time.Millisecond)
	}
}

// one is the code of the only answer there should be.
func one[T any](answers []T, code func(*T) int16) int16 {
	if len(answers) != 1 {
		return kerr.UnknownServerError.Code
	}
	return code(&answers[0])
}
