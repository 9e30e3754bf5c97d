package linearizability

import "fmt"

// RecordingMode is how much of what clients do goes into a history.
type RecordingMode string

// The modes. Recording every record costs time and memory in proportion to
// the records, which a load of hundreds of thousands a second cannot afford.
const (
	// RecordRecords takes down one operation for each record sent, and each
	// record read. The zero Recording means the same.
	RecordRecords RecordingMode = "records"
	// RecordBatches takes down one operation for each record batch sent, and
	// what was read and found in the logs as runs of records. Nothing is left
	// out: a [Run] says of each of its records where it is and what it holds.
	RecordBatches RecordingMode = "batches"
	// RecordSampled takes down operations on one record in Every, and leaves
	// the others out of what was read and found in the logs.
	RecordSampled RecordingMode = "sampled"
)

// Recording says how much of a run its history holds.
type Recording struct {
	Mode  RecordingMode `json:"mode"`
	Every int64         `json:"every,omitempty"` // with RecordSampled: at least 1
}

// Check reports what is wrong with a Recording, nil if nothing.
func (r Recording) Check() error {
	switch r.Mode {
	case "", RecordRecords, RecordBatches:
		if r.Every != 0 {
			return fmt.Errorf("a history of %s leaves nothing out: sampling one record in %d needs mode %q", r.mode(), r.Every, RecordSampled)
		}
	case RecordSampled:
		if r.Every < 1 {
			return fmt.Errorf("a sampled history needs to know one record in how many to keep, not %d", r.Every)
		}
	default:
		return fmt.Errorf("history mode %q is none of %s, %s, %s", r.Mode, RecordRecords, RecordBatches, RecordSampled)
	}
	return nil
}

// Keeps says whether a sampled history has the operations on the record with a
// value. Which records those are depends on nothing but their values, so that
// producers, consumers and scans agree.
func (r Recording) Keeps(value int64) bool { return r.mode() != RecordSampled || value%r.Every == 0 }

func (r Recording) mode() RecordingMode {
	if r.Mode == "" {
		return RecordRecords
	}
	return r.Mode
}

// String describes the recording as reports do.
func (r Recording) String() string {
	switch r.mode() {
	case RecordBatches:
		return "every batch"
	case RecordSampled:
		return fmt.Sprintf("one record in %d", r.Every)
	}
	return "every record"
}
