package protocol

import (
	"reflect"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirlab/weir/env"
)

// codes tells a laboratory which error codes which answers carry. nil tells
// nothing. It is for simulations, where one task runs at a time.
type codes struct {
	lab   *env.Lab
	plans map[reflect.Type]*codePlan
	names map[int16]string
}

// codePlan is where the error codes of a structure are.
type codePlan struct {
	codes  []int // fields
	nested []int // fields that are structures, or lists of them, with codes in them
}

func newCodes(lab *env.Lab) *codes {
	if lab == nil {
		return nil
	}
	return &codes{lab: lab, plans: map[reflect.Type]*codePlan{}, names: map[int16]string{0: "NONE"}}
}

// tell tells of an answer's error codes.
func (c *codes) tell(resp kmsg.Response) {
	if c == nil {
		return
	}
	api := kmsg.NameForKey(resp.Key())
	good := false
	note := func(code int16) {
		if code == 0 {
			good = true
		} else {
			c.lab.Reached("answer", api, c.name(code))
		}
	}
	switch r := resp.(type) { // what there is most of, without reflection
	case *kmsg.FetchResponse:
		note(r.ErrorCode)
		for i := range r.Topics {
			for j := range r.Topics[i].Partitions {
				note(r.Topics[i].Partitions[j].ErrorCode)
			}
		}
	case *kmsg.ProduceResponse:
		for i := range r.Topics {
			for j := range r.Topics[i].Partitions {
				note(r.Topics[i].Partitions[j].ErrorCode)
			}
		}
	default:
		c.walk(reflect.ValueOf(resp).Elem(), note)
	}
	if good {
		c.lab.Reached("answer", api, "NONE")
	}
}

func (c *codes) name(code int16) string {
	name, ok := c.names[code]
	if !ok {
		name = kerr.TypedErrorForCode(code).Message // a code that nobody knows is UNKNOWN_SERVER_ERROR
		c.names[code] = name
	}
	return name
}

func (c *codes) walk(v reflect.Value, note func(int16)) {
	plan := c.plan(v.Type())
	for _, i := range plan.codes {
		note(int16(v.Field(i).Int()))
	}
	for _, i := range plan.nested {
		f := v.Field(i)
		if f.Kind() == reflect.Struct {
			c.walk(f, note)
			continue
		}
		for j := range f.Len() {
			c.walk(f.Index(j), note)
		}
	}
}

func (c *codes) plan(t reflect.Type) *codePlan {
	if p := c.plans[t]; p != nil {
		return p
	}
	p := &codePlan{}
	c.plans[t] = p
	for i := range t.NumField() {
		f := t.Field(i)
		inner := f.Type
		if inner.Kind() == reflect.Slice {
			inner = inner.Elem()
		}
		switch {
		case f.Name == "ErrorCode" && f.Type.Kind() == reflect.Int16:
			p.codes = append(p.codes, i)
		case inner.Kind() == reflect.Struct && f.Name != "UnknownTags":
			if n := c.plan(inner); len(n.codes)+len(n.nested) > 0 {
				p.nested = append(p.nested, i)
			}
		}
	}
	return p
}
