package quorum

// epochs is the leader-epoch cache: where each epoch begins, ascending in both
// fields.
type epochs []EpochStart

// last is the epoch of the last record, -1 for an empty log.
func (e epochs) last() int32 {
	if len(e) == 0 {
		return -1
	}
	return e[len(e)-1].Epoch
}

// note records that a batch of the epoch begins at the offset.
func (e *epochs) note(epoch int32, offset int64) {
	if epoch > e.last() {
		*e = append(*e, EpochStart{epoch, offset})
	}
}

// truncate forgets epochs that begin at or above the offset.
func (e *epochs) truncate(to int64) {
	n := len(*e)
	for n > 0 && (*e)[n-1].StartOffset >= to {
		n--
	}
	*e = (*e)[:n]
}

// end finds the largest epoch not above the given one, and the offset at which
// it ends in a log that ends at logEnd. Without such an epoch it is (-1, 0).
func (e epochs) end(epoch int32, logEnd int64) (int32, int64) {
	found, end := int32(-1), int64(0)
	for i, s := range e {
		if s.Epoch > epoch {
			break
		}
		found, end = s.Epoch, logEnd
		if i+1 < len(e) {
			end = e[i+1].StartOffset
		}
	}
	return found, end
}
