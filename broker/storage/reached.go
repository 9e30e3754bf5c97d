package storage

// tellLab tells a laboratory what was found when the log was opened.
func (o *opener) tellLab() {
	r := &o.rec
	for what, found := range map[string]bool{ //weir:ordered each is counted for itself
		"state unusable":      r.StateProblem != "",
		"tail cut":            r.TruncatedFile != "",
		"files removed":       len(r.RemovedFiles) > 0,
		"swaps finished":      len(r.FinishedSwaps) > 0,
		"indexes rebuilt":     r.IndexesRebuilt > 0,
		"synced records lost": r.LostSyncedTo > 0,
		"batches scanned":     r.BatchesChecked > 0,
		"producers known":     r.Producers > 0,
	} {
		if found {
			o.lab.Reached("recovery", what, "")
		}
	}
}
