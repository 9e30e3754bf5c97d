package experiment

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
)

// Write writes a result so that [Read] gives it back.
func Write(w io.Writer, result any) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", " ")
	return enc.Encode(result)
}

// Save writes a result into a file.
func Save(name string, result any) error {
	file, err := os.Create(name)
	if err != nil {
		return err
	}
	return errors.Join(Write(file, result), file.Close())
}

// Read takes in what [Write] wrote of a result with this schema. A field that
// the result does not have is an error: another version of weir wrote it.
func Read[Result any](from io.Reader, schema string) (*Result, error) {
	text, err := io.ReadAll(from)
	if err != nil {
		return nil, err
	}
	var head struct {
		Schema string `json:"schema"`
	}
	if err := json.Unmarshal(text, &head); err != nil {
		return nil, fmt.Errorf("this is no result of an experiment: %w", err)
	}
	if head.Schema != schema {
		return nil, fmt.Errorf("the result has schema %q, but this version of weir reads %q; run the experiment again", head.Schema, schema)
	}
	r := new(Result)
	if err := exactly(text, r); err != nil {
		return nil, fmt.Errorf("a result of schema %q: %w", schema, err)
	}
	return r, nil
}

func exactly(text []byte, into any) error {
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.DisallowUnknownFields()
	return dec.Decode(into)
}
