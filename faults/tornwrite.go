package faults

// TornWrite is a write that is torn.
const TornWrite Kind = "torn-write"

func tornWrite() *kind {
	return betrayedWrite(TornWrite, "of writes to files of a class, all or the first count, only the sectors before some point reach the device")
}
