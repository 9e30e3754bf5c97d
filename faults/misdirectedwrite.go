package faults

// MisdirectedWrite is a write at the wrong place.
const MisdirectedWrite Kind = "misdirected-write"

func misdirectedWrite() *kind {
	return betrayedWrite(MisdirectedWrite, "writes to files of a class, all or the first count, reach the device at another place of their file, over what was there")
}
