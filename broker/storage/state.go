package storage

import (
	"bytes"
	"fmt"
	"slices"
)

const (
	stateName    = "log-state"
	stateVersion = "weir-log-state 1"
)

// logState is the content of a log's log-state file: everything about the log
// that its segments do not say by themselves, or say only after a long scan.
type logState struct {
	logStart int64

	// recovery is the point before which every byte is known to be durable.
	recovery recoveryPoint

	// gaps says that offsets may be missing between batches.
	gaps bool

	// swap is the replacement of segments that may be under way.
	swap swapRange

	// epochs are the leader epochs that start before recovery.offset, and the one
	// that an empty log ended with: without it nobody would ask whether the leader
	// has other records where this log had its own.
	epochs []EpochStart
}

// recoveryPoint is one place in the log, as an offset and as a file position.
type recoveryPoint struct {
	offset   int64
	segment  int64 // base offset of the segment that holds the point
	position int64 // byte position in it
}

func (s *logState) encode() []byte {
	buf := fmt.Appendf(nil, "%s\nlog-start %d\nrecovery-point %d segment %d position %d\n",
		stateVersion, s.logStart, s.recovery.offset, s.recovery.segment, s.recovery.position)
	if s.gaps {
		buf = append(buf, "gaps\n"...)
	}
	if s.swap.end > 0 {
		buf = fmt.Appendf(buf, "swap %d to %d\n", s.swap.base, s.swap.end)
	}
	for _, e := range s.epochs {
		if e.StartOffset < s.recovery.offset || e.StartOffset == s.logStart && s.logStart == s.recovery.offset {
			buf = fmt.Appendf(buf, "epoch %d start %d\n", e.Epoch, e.StartOffset)
		}
	}
	return buf
}

func decodeState(name string, data []byte) (logState, error) {
	var s logState
	lines := bytes.Split(bytes.TrimSuffix(data, []byte("\n")), []byte("\n"))
	pos := 0
	for i, line := range lines {
		var err error
		switch i {
		case 0:
			if string(line) != stateVersion {
				err = fmt.Errorf("found %q, want %q", line, stateVersion)
			}
		case 1:
			_, err = fmt.Sscanf(string(line), "log-start %d", &s.logStart)
		case 2:
			_, err = fmt.Sscanf(string(line), "recovery-point %d segment %d position %d",
				&s.recovery.offset, &s.recovery.segment, &s.recovery.position)
		default:
			if string(line) == "gaps" {
				s.gaps = true
				break
			}
			if bytes.HasPrefix(line, []byte("swap ")) {
				_, err = fmt.Sscanf(string(line), "swap %d to %d", &s.swap.base, &s.swap.end)
				break
			}
			var e EpochStart
			_, err = fmt.Sscanf(string(line), "epoch %d start %d", &e.Epoch, &e.StartOffset)
			s.epochs = append(s.epochs, e)
		}
		if err != nil {
			return s, &CorruptError{File: name, Position: int64(pos), Reason: fmt.Sprintf("line %d: %v", i+1, err)}
		}
		pos += len(line) + 1
	}
	switch {
	case len(lines) < 3:
		return s, &CorruptError{File: name, Position: int64(pos), Reason: "the file ends before its third line"}
	case s.swap.base < 0 || s.swap.end < s.swap.base:
		return s, &CorruptError{File: name, Reason: "the range of a replacement is impossible"}
	case s.logStart < 0 || s.recovery.segment < 0 || s.recovery.position < 0 || s.recovery.offset < s.recovery.segment,
		(s.recovery.offset == s.recovery.segment) != (s.recovery.position == 0):
		return s, &CorruptError{File: name, Reason: "an offset or position is impossible"}
	case !slices.IsSortedFunc(s.epochs, func(a, b EpochStart) int {
		if a.Epoch < b.Epoch && a.StartOffset < b.StartOffset {
			return -1
		}
		return 1
	}):
		return s, &CorruptError{File: name, Reason: "the leader epochs do not ascend"}
	}
	return s, nil
}
