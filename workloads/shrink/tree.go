package shrink

import (
	"slices"
	"strconv"

	"go.yaml.in/yaml/v4"

	"github.com/weirlab/weir/workloads/scenario"
)

// candidate is a plan in its three forms.
type candidate struct {
	plan *scenario.Scenario
	text string // the file: two plans with the same text are the same
	root *yaml.Node
}

// read is the candidate of a plan: what its file says, so that what was tried
// is what will be kept.
func read(plan *scenario.Scenario) (*candidate, error) {
	text, err := plan.YAML()
	if err != nil {
		return nil, err
	}
	return parse(text)
}

// parse reads a file and writes it again, which leaves out what is not needed.
func parse(text []byte) (*candidate, error) {
	plan, err := scenario.Parse("plan", text)
	if err != nil {
		return nil, err
	}
	if text, err = plan.YAML(); err != nil {
		return nil, err
	}
	c := &candidate{plan: plan, text: string(text)}
	var doc yaml.Node
	if err := yaml.Load(text, &doc); err != nil {
		return nil, err
	}
	c.root = doc.Content[0]
	return c, nil
}

// edit changes a plan's file: the YAML tree, which is the edit's own. It says
// whether it had anything to change.
type edit func(root *yaml.Node) bool

// edited is the plan after an edit, nil if it is none, the same as before, or
// leaves something to the seed.
func (c *candidate) edited(e edit) *candidate {
	root := clone(c.root)
	if !e(root) {
		return nil
	}
	text, err := yaml.Dump(root)
	if err != nil {
		return nil
	}
	next, err := parse(text)
	if err != nil || next.text == c.text || !next.plan.Explicit() {
		return nil
	}
	return next
}

func clone(n *yaml.Node) *yaml.Node {
	if n == nil {
		return nil
	}
	c := *n
	c.Content = make([]*yaml.Node, len(n.Content))
	for i, child := range n.Content {
		c.Content[i] = clone(child)
	}
	return &c
}

// path leads from the root to a node: keys, and indexes as numbers in text.
type path []string

// at is the node that a path leads to, nil if there is none.
func at(n *yaml.Node, p ...string) *yaml.Node {
	for _, step := range p {
		if n == nil {
			return nil
		}
		switch n.Kind {
		case yaml.MappingNode:
			n = value(n, step)
		case yaml.SequenceNode:
			i, err := strconv.Atoi(step)
			if err != nil || i < 0 || i >= len(n.Content) {
				return nil
			}
			n = n.Content[i]
		default:
			return nil
		}
	}
	return n
}

func value(n *yaml.Node, key string) *yaml.Node {
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			return n.Content[i+1]
		}
	}
	return nil
}

// drop takes out what a path leads to. It says whether there was something.
func drop(root *yaml.Node, p path) bool {
	in, last := at(root, p[:len(p)-1]...), p[len(p)-1]
	switch {
	case in == nil:
	case in.Kind == yaml.MappingNode:
		for i := 0; i+1 < len(in.Content); i += 2 {
			if in.Content[i].Value == last {
				in.Content = slices.Delete(in.Content, i, i+2)
				return true
			}
		}
	case in.Kind == yaml.SequenceNode:
		if i, err := strconv.Atoi(last); err == nil && i < len(in.Content) {
			in.Content = slices.Delete(in.Content, i, i+1)
			return true
		}
	}
	return false
}

// dropAll takes out several, the last of a list first so that indexes stay what
// they are.
func dropAll(paths []path) edit {
	return func(root *yaml.Node) bool {
		some := false
		for _, p := range slices.Backward(paths) {
			some = drop(root, p) || some
		}
		return some
	}
}

// set writes a scalar.
func set(p path, text string) edit {
	return func(root *yaml.Node) bool {
		n := at(root, p...)
		if n == nil || n.Kind != yaml.ScalarNode || n.Value == text {
			return false
		}
		n.Value, n.Tag, n.Style = text, "", 0
		return true
	}
}

// together is several edits as one. It has something to change if one of them
// has.
func together(edits ...edit) edit {
	return func(root *yaml.Node) bool {
		some := false
		for _, e := range edits {
			some = e(root) || some
		}
		return some
	}
}

// walk visits every node below root with its path, in the order of the file.
func walk(root *yaml.Node, visit func(p path, n *yaml.Node)) {
	var into func(p path, n *yaml.Node)
	into = func(p path, n *yaml.Node) {
		if len(p) > 0 {
			visit(slices.Clone(p), n)
		}
		switch n.Kind {
		case yaml.MappingNode:
			for i := 0; i+1 < len(n.Content); i += 2 {
				into(append(p, n.Content[i].Value), n.Content[i+1])
			}
		case yaml.SequenceNode:
			for i, child := range n.Content {
				into(append(p, strconv.Itoa(i)), child)
			}
		}
	}
	into(nil, root)
}
