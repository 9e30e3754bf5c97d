package document

import (
	"encoding/json"
	"fmt"
	"io"
)

// JSON writes the document so that [Read] gives it back.
func (d *Document) JSON(w io.Writer) error {
	if err := d.Check(); err != nil {
		return err
	}
	whole := *d
	whole.Schema = Schema
	b, err := json.MarshalIndent(&whole, "", " ")
	if err != nil {
		return err
	}
	_, err = w.Write(append(b, '\n'))
	return err
}

// Read takes in what [Document.JSON] wrote.
func Read(r io.Reader) (*Document, error) {
	var d Document
	dec := json.NewDecoder(r)
	dec.DisallowUnknownFields()
	if err := dec.Decode(&d); err != nil {
		return nil, fmt.Errorf("document: %w", err)
	}
	return &d, d.Check()
}
