package protocol

import (
	_ "embed"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// schemaText is the shape of every request, one a line: its key, the first
// flexible version (beyond the last one if none is), and its fields. A field is
//
//	4           that many bytes
//	s b         a string, bytes (null or not)
//	[88 …]      an array; an element takes 88 bytes when decoded
//	{…} ?88{…}  a struct; one that may be null
//	#(0=…;1=…)  the tagged fields of a flexible version, with the known ones
//	7+:… 7-9:…  a field that only these versions have
//
// TestSchemasAreThoseOfTheCodec makes it from the source of the codec.
//
//go:embed schemas.txt
var schemaText string

// schema is the shape of one request.
type schema struct {
	flexibleFrom int16
	fields       []field
}

type field struct {
	kind  byte // as in schemaText; 'n' for a number of bytes
	bytes int  // of 'n'; decoded size of an element of '[' and of what '?' holds
	from  int16
	to    int16
	inner []field
	tags  []taggedField // of '#'
}

type taggedField struct {
	tag   uint32
	inner []field
}

// schemaOf finds the shape of the request with this key.
func schemaOf(key int16) (*schema, error) {
	prefix := strconv.Itoa(int(key)) + " "
	for line := range strings.Lines(schemaText) {
		rest, ok := strings.CutPrefix(line, prefix)
		if !ok {
			continue
		}
		flexible, rest, _ := strings.Cut(strings.TrimSuffix(rest, "\n"), " ")
		n, err := strconv.ParseInt(flexible, 10, 16)
		if err != nil {
			return nil, err
		}
		p := schemaParser{text: rest}
		s := &schema{flexibleFrom: int16(n), fields: p.fields("")}
		if p.text != "" {
			return nil, fmt.Errorf("protocol: schema of API %d: cannot read %q", key, p.text)
		}
		return s, nil
	}
	return nil, fmt.Errorf("protocol: there is no schema of API %d", key)
}

type schemaParser struct{ text string }

// fields parses up to any of the bytes in ends.
func (p *schemaParser) fields(ends string) []field {
	var out []field
	for {
		p.text = strings.TrimLeft(p.text, " ")
		if p.text == "" || strings.IndexByte(ends, p.text[0]) >= 0 {
			return out
		}
		f, ok := p.field()
		if !ok {
			return out
		}
		out = append(out, f)
	}
}

func (p *schemaParser) field() (field, bool) {
	f := field{to: math.MaxInt16}
	n, isNumber := p.number()
	if isNumber && p.take('+') {
		f.from = int16(n)
		p.take(':')
		n, isNumber = p.number()
	} else if isNumber && p.take('-') {
		to, _ := p.number()
		f.from, f.to = int16(n), int16(to)
		p.take(':')
		n, isNumber = p.number()
	}
	switch {
	case isNumber:
		f.kind, f.bytes = 'n', n
	case p.take('s'):
		f.kind = 's'
	case p.take('b'):
		f.kind = 'b'
	case p.take('['):
		f.kind = '['
		f.bytes, _ = p.number()
		f.inner = p.fields("]")
		return f, p.take(']')
	case p.take('?'):
		f.kind = '?'
		f.bytes, _ = p.number()
		p.take('{')
		f.inner = p.fields("}")
		return f, p.take('}')
	case p.take('{'):
		f.kind = '{'
		f.inner = p.fields("}")
		return f, p.take('}')
	case p.take('#'):
		f.kind = '#'
		if !p.take('(') {
			return f, true
		}
		for {
			tag, _ := p.number()
			if !p.take('=') {
				return f, false
			}
			f.tags = append(f.tags, taggedField{tag: uint32(tag), inner: p.fields(";)")})
			if !p.take(';') {
				return f, p.take(')')
			}
		}
	default:
		return f, false
	}
	return f, true
}

func (p *schemaParser) take(c byte) bool {
	if p.text == "" || p.text[0] != c {
		return false
	}
	p.text = p.text[1:]
	return true
}

func (p *schemaParser) number() (int, bool) {
	end := 0
	for end < len(p.text) && p.text[end] >= '0' && p.text[end] <= '9' {
		end++
	}
	n, err := strconv.Atoi(p.text[:end])
	p.text = p.text[end:]
	return n, err == nil
}

// decodedPerByte bounds what a byte of any request decodes to.
const decodedPerByte = 200

// What the codec allocates beside the elements of arrays.
const (
	stringCost   = 24  // beyond the string's bytes: a pointer's target, and rounding up
	tagMapCost   = 512 // the map of the unknown tagged fields of a struct
	tagEntryCost = 128 // and each of them
)

// decodedBytes is an upper bound for the memory that the codec takes for a
// request body, found without taking any: every array is as long as it says, or
// the body is refused. It takes time in proportion to the body.
func (s *schema) decodedBytes(version int16, body []byte) (int64, error) {
	w := walker{src: body, version: version, flexible: version >= s.flexibleFrom}
	w.walk(s.fields)
	if w.bad {
		return 0, errEndsEarly
	}
	return w.cost, nil
}

var errEndsEarly = errors.New("it ends too early")

// walker steps over a message by its schema.
type walker struct {
	src      []byte
	version  int16
	flexible bool
	bad      bool
	cost     int64
}

func (w *walker) walk(fields []field) {
	for i := range fields {
		f := &fields[i]
		if w.bad {
			return
		}
		if w.version < f.from || w.version > f.to {
			continue
		}
		switch f.kind {
		case 'n':
			w.skip(f.bytes)
		case 's':
			w.cost += int64(w.skip(w.length(2))) + stringCost
		case 'b':
			w.skip(w.length(4))
		case '{':
			w.walk(f.inner)
		case '?':
			if len(w.src) == 0 {
				w.bad = true
				return
			}
			absent := w.src[0] == 0xff
			if w.skip(1); !absent {
				w.cost += int64(f.bytes)
				w.walk(f.inner)
			}
		case '[':
			n := w.count()
			if n > len(w.src) { // an element has at least a byte
				w.bad = true
				return
			}
			w.cost += int64(n) * int64(f.bytes)
			if len(f.inner) == 1 && f.inner[0].kind == 'n' {
				w.skip(n * f.inner[0].bytes)
				continue
			}
			for range n {
				if w.walk(f.inner); w.bad {
					return
				}
			}
		case '#':
			if w.flexible {
				w.walkTags(f.tags)
			}
		}
	}
}

func (w *walker) walkTags(known []taggedField) {
	n := w.uvarint()
	if n > uint32(len(w.src)) {
		w.bad = true
		return
	}
	unknown := false
	for range n {
		tag, size := w.uvarint(), w.uvarint()
		if w.bad || uint64(size) > uint64(len(w.src)) {
			w.bad = true
			return
		}
		value := w.src[:size]
		w.src = w.src[size:]
		found := false
		for i := range known {
			if known[i].tag == tag {
				after := w.src
				w.src = value
				w.walk(known[i].inner)
				w.src = after
				found = true
			}
		}
		if !found {
			if !unknown {
				w.cost += tagMapCost
				unknown = true
			}
			w.cost += tagEntryCost
		}
	}
}

// skip steps over n bytes and returns n.
func (w *walker) skip(n int) int {
	if n > len(w.src) {
		w.bad = true
		return 0
	}
	w.src = w.src[n:]
	return n
}

// count reads the length of an array; null is 0. As for the codec, what a
// compact length has beyond 31 bits makes it null.
func (w *walker) count() int {
	if w.flexible {
		return max(0, int(int32(w.uvarint()))-1)
	}
	return w.length(4)
}

// length reads a length whose fixed form has this many bytes; null is 0.
func (w *walker) length(fixedBytes int) int {
	if w.flexible {
		n := w.uvarint()
		if n > math.MaxInt32 {
			w.bad = true
		}
		return max(0, int(n)-1)
	}
	if len(w.src) < fixedBytes {
		w.bad = true
		return 0
	}
	var n int
	if fixedBytes == 2 {
		n = int(int16(binary.BigEndian.Uint16(w.src)))
	} else {
		n = int(int32(binary.BigEndian.Uint32(w.src)))
	}
	w.src = w.src[fixedBytes:]
	return max(0, n)
}

func (w *walker) uvarint() uint32 {
	n, size := binary.Uvarint(w.src)
	if size <= 0 || n > math.MaxUint32 {
		w.bad = true
		return 0
	}
	w.src = w.src[size:]
	return uint32(n)
}
