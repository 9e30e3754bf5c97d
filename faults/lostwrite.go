package faults

// LostWrite is a write that is lost.
const LostWrite Kind = "lost-write"

func lostWrite() *kind {
	return betrayedWrite(LostWrite, "writes to files of a class, all or the first count, are reported done and stay in the page cache, but never reach the device")
}
