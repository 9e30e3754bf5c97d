package scenario

import (
	"encoding"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"

	"github.com/weirlab/weir/broker/config"
)

// Error is a mistake in a scenario file: where it is, what it is, and what to
// write instead.
type Error struct {
	File string
	Line int    // 0 if not known
	Path string // "topics[0].partitions"
	Text string
}

func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.File)
	if e.Line > 0 {
		fmt.Fprintf(&b, ":%d", e.Line)
	}
	b.WriteString(": ")
	if e.Path != "" {
		b.WriteString(e.Path + ": ")
	}
	b.WriteString(e.Text)
	return b.String()
}

// decoder fills Go values from YAML nodes and accepts nothing that has no
// place in them. The yaml package's own strict mode names neither the path nor
// the keys that would have been right.
type decoder struct {
	file  string
	lines map[string]int // line of every path decoded, for checks made later
}

var (
	durationType  = reflect.TypeFor[time.Duration]()
	unmarshalText = reflect.TypeFor[encoding.TextUnmarshaler]()
)

func (d *decoder) fail(n *yaml.Node, path, format string, args ...any) error {
	return &Error{File: d.file, Line: n.Line, Path: path, Text: fmt.Sprintf(format, args...)}
}

func (d *decoder) decode(n *yaml.Node, v reflect.Value, path string) error {
	d.lines[path] = n.Line
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	if reflect.PointerTo(v.Type()).Implements(unmarshalText) && n.Kind == yaml.ScalarNode {
		if err := v.Addr().Interface().(encoding.TextUnmarshaler).UnmarshalText([]byte(n.Value)); err != nil {
			return d.fail(n, path, "%v", err)
		}
		return nil
	}
	switch {
	case v.Type() == durationType:
		return d.duration(n, v, path)
	case v.Kind() == reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		return d.decode(n, v.Elem(), path)
	case v.Kind() == reflect.Struct:
		return d.structure(n, v, path)
	case v.Kind() == reflect.Slice:
		return d.slice(n, v, path)
	case v.Kind() == reflect.Map:
		return d.mapping(n, v, path)
	}
	return d.scalar(n, v, path)
}

func (d *decoder) structure(n *yaml.Node, v reflect.Value, path string) error {
	if n.Kind != yaml.MappingNode {
		return d.fail(n, path, "expected a mapping of %s", strings.Join(keysOf(v.Type()), ", "))
	}
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		index := fieldOf(v.Type(), key.Value)
		rest, inline := inlined(v)
		if inline = inline && slices.Contains(rest.keys, key.Value); index < 0 && !inline {
			return d.fail(key, path, "unknown key %q%s; known keys: %s", key.Value, hint(key.Value, keysOf(v.Type())), strings.Join(keysOf(v.Type()), ", "))
		}
		if seen[key.Value] {
			return d.fail(key, path, "key %q is given twice; keep one", key.Value)
		}
		seen[key.Value] = true
		if inline {
			if err := d.entry(value, rest.m, key.Value, join(path, key.Value)); err != nil {
				return err
			}
		} else if err := d.decode(value, v.Field(index), join(path, key.Value)); err != nil {
			return err
		}
	}
	return nil
}

// keyed is a map with keys of its own choice, whose entries stand among the
// keys of the struct that holds it.
type keyed interface{ Keys() []string }

type inlineMap struct {
	m    reflect.Value
	keys []string
}

// inlined is the map of a struct whose entries stand among the struct's keys.
func inlined(v reflect.Value) (inlineMap, bool) {
	for i := range v.NumField() {
		if v.Type().Field(i).Tag.Get("yaml") == ",inline" {
			return inlineMap{v.Field(i), v.Field(i).Interface().(keyed).Keys()}, true
		}
	}
	return inlineMap{}, false
}

// entry decodes one entry of an inlined map.
func (d *decoder) entry(n *yaml.Node, m reflect.Value, key, path string) error {
	if m.IsNil() {
		m.Set(reflect.MakeMap(m.Type()))
	}
	value := reflect.New(m.Type().Elem()).Elem()
	if err := d.decode(n, value, path); err != nil {
		return err
	}
	m.SetMapIndex(reflect.ValueOf(key), value)
	return nil
}

func (d *decoder) slice(n *yaml.Node, v reflect.Value, path string) error {
	if n.Kind != yaml.SequenceNode {
		return d.fail(n, path, "expected a list")
	}
	v.Set(reflect.MakeSlice(v.Type(), len(n.Content), len(n.Content)))
	for i, item := range n.Content {
		if err := d.decode(item, v.Index(i), fmt.Sprintf("%s[%d]", path, i)); err != nil {
			return err
		}
	}
	return nil
}

// mapping reads Kafka properties: names to scalars, kept as text.
func (d *decoder) mapping(n *yaml.Node, v reflect.Value, path string) error {
	if n.Kind != yaml.MappingNode {
		return d.fail(n, path, "expected a mapping of property names to values")
	}
	v.Set(reflect.MakeMap(v.Type()))
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		if value.Kind != yaml.ScalarNode {
			return d.fail(value, join(path, key.Value), "expected one value")
		}
		if v.MapIndex(reflect.ValueOf(key.Value)).IsValid() {
			return d.fail(key, path, "property %q is given twice; keep one", key.Value)
		}
		d.lines[join(path, key.Value)] = key.Line
		v.SetMapIndex(reflect.ValueOf(key.Value), reflect.ValueOf(value.Value))
	}
	return nil
}

func (d *decoder) duration(n *yaml.Node, v reflect.Value, path string) error {
	length, err := time.ParseDuration(n.Value)
	if err != nil || n.Kind != yaml.ScalarNode {
		return d.fail(n, path, "%q is not a duration; write a number with a unit, such as 500ms or 40s", n.Value)
	}
	v.SetInt(int64(length))
	return nil
}

func (d *decoder) scalar(n *yaml.Node, v reflect.Value, path string) error {
	if n.Kind != yaml.ScalarNode {
		return d.fail(n, path, "expected one value")
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(n.Value)
	case reflect.Bool:
		b, err := strconv.ParseBool(n.Value)
		if err != nil {
			return d.fail(n, path, "%q is neither true nor false", n.Value)
		}
		v.SetBool(b)
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		i, err := strconv.ParseInt(n.Value, 10, 64)
		if err != nil || v.OverflowInt(i) {
			return d.fail(n, path, "%q is not a whole number in range", n.Value)
		}
		v.SetInt(i)
	case reflect.Uint64:
		u, err := strconv.ParseUint(n.Value, 0, 64)
		if err != nil {
			return d.fail(n, path, "%q is not a whole number of at most 64 bits, decimal or 0x…", n.Value)
		}
		v.SetUint(u)
	default:
		panic("scenario: no way to decode a " + v.Type().String())
	}
	return nil
}

// keysOf lists the YAML keys of a struct in order of declaration.
func keysOf(t reflect.Type) []string {
	var keys []string
	for i := range t.NumField() {
		if t.Field(i).Tag.Get("yaml") == ",inline" {
			keys = append(keys, reflect.Zero(t.Field(i).Type).Interface().(keyed).Keys()...)
		} else if key := keyOf(t.Field(i)); key != "" {
			keys = append(keys, key)
		}
	}
	return keys
}

func keyOf(f reflect.StructField) string {
	key, _, _ := strings.Cut(f.Tag.Get("yaml"), ",")
	if key == "-" {
		return ""
	}
	return key
}

func fieldOf(t reflect.Type, key string) int {
	for i := range t.NumField() {
		if k := keyOf(t.Field(i)); k != "" && k == key {
			return i
		}
	}
	return -1
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

// hint suggests the known word that is nearest to a mistyped one.
func hint(word string, known []string) string { return config.Hint(word, known) }

func sortedKeys(m map[string]string) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
