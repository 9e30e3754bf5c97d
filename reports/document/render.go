package document

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// JSON writes the document so that [Read] gives it back.
func (d *Document) JSON(w io.Writer) error {
	if err := d.Check(); err != nil {
		return err
	}
	d.Schema = Schema
	b, err := json.MarshalIndent(d, "", " ")
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

// Text writes the document for a terminal of so many columns.
func (d *Document) Text(w io.Writer, columns int, color bool) error { return errSoon }

// HTML writes the document as one page that needs nothing else.
func (d *Document) HTML(w io.Writer) error { return errSoon }

// Markdown writes the document with its pictures linked from imageDir.
func (d *Document) Markdown(w io.Writer, imageDir string) error { return errSoon }

// WriteDir writes base.html, base.json and every figure as name.png and
// name.svg into dir, and returns the names of the files.
func (d *Document) WriteDir(dir, base string) (files []string, err error) { return nil, errSoon }

var errSoon = errors.New("document: this rendering is being written")
