package storage

import (
	"crypto/sha256"
	"encoding/binary"
)

// offsetMap knows of keys at which offset each was seen last, in bounded memory:
// it holds no key, only 128 bits of its SHA-256. Kafka's SkimpyOffsetMap takes
// MD5 for that, with which a stranger can make two keys that are taken for one,
// of which compaction then removes the other.
type offsetMap struct {
	slots    []offsetSlot // open addressing, linear probing; grows up to maxSlots
	maxSlots int
	load     int // percent of the slots that may be taken
	n        int
	latest   int64 // last offset that was taken into account, -1 if none was
}

// offsetSlot is one key; it is free if next is 0.
type offsetSlot struct {
	key  [16]byte
	next int64 // offset after the one where the key was seen
}

const (
	offsetSlotBytes = 24
	firstSlots      = 256
)

// newOffsetMap makes a map that takes bytes of memory at most, and half as much
// again while it grows.
func newOffsetMap(bytes int64, loadPercent int) *offsetMap {
	return &offsetMap{maxSlots: int(max(bytes/offsetSlotBytes, 1)), load: min(max(loadPercent, 1), 100), latest: -1}
}

// put notes that key was seen at offset, which is above all before it. It
// reports false if there is no room for a key that is new.
func (m *offsetMap) put(key []byte, offset int64) bool {
	h := hashKey(key)
	if slot := m.find(h); slot != nil && slot.next > 0 {
		slot.next = offset + 1
		return true
	}
	if m.n+1 > m.room(len(m.slots)) {
		if len(m.slots) == m.maxSlots {
			return false
		}
		m.grow()
		return m.put(key, offset)
	}
	*m.find(h) = offsetSlot{key: h, next: offset + 1}
	m.n++
	return true
}

// get is where key was seen last, -1 if it was not.
func (m *offsetMap) get(key []byte) int64 {
	return m.at(hashKey(key))
}

func (m *offsetMap) at(key [16]byte) int64 {
	if slot := m.find(key); slot != nil {
		return slot.next - 1
	}
	return -1
}

// fits reports whether there is room for all keys of a batch. Half of a batch in
// the map would take what stands before it and leave a log that, up to where it is
// clean, is none of those that ever were.
func (m *offsetMap) fits(b Batch) (bool, error) {
	room := m.room(m.maxSlots) - m.n
	if int(b.NumRecords()) <= room {
		return true, nil
	}
	unknown := map[[16]byte]bool{}
	for r, err := range b.Records() {
		if err != nil {
			return false, err
		}
		if h := hashKey(r.Key); r.Key != nil && m.at(h) < 0 {
			unknown[h] = true
		}
	}
	return len(unknown) <= room, nil
}

// room is how many keys so many slots take. One stays free, where a search for
// a key that is not there ends.
func (m *offsetMap) room(slots int) int { return min(slots*m.load/100, slots-1) }

// find is the slot of a key, or the free one that it would take.
func (m *offsetMap) find(key [16]byte) *offsetSlot {
	n := uint64(len(m.slots))
	if n == 0 {
		return nil
	}
	for i := binary.LittleEndian.Uint64(key[:]) % n; ; i = (i + 1) % n {
		if slot := &m.slots[i]; slot.next == 0 || slot.key == key {
			return slot
		}
	}
}

func (m *offsetMap) grow() {
	old := m.slots
	m.slots = make([]offsetSlot, min(max(2*len(old), firstSlots), m.maxSlots))
	for _, slot := range old {
		if slot.next > 0 {
			*m.find(slot.key) = slot
		}
	}
}

func hashKey(key []byte) (h [16]byte) {
	sum := sha256.Sum256(key)
	copy(h[:], sum[:])
	return h
}
