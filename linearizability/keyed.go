package linearizability

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strconv"
)

// A topic of keys is a table: each record writes one of Topic.Keys keys, or
// deletes it with a tombstone. Which key, and whether it is deleted, follows from
// the record's value, and so the judge knows of every offset what it means to a
// reader who keeps the last value of each key.

// WriteHeader is the header of a record in a topic of keys that holds its value, 8
// bytes: a tombstone has no other place for it.
const WriteHeader = "weir-write"

// KeyOf is the number of the key that a value of a topic with so many keys writes.
func KeyOf(value, keys int64) int64 { return int64(mixed(value) % uint64(keys)) }

// IsTombstone says whether a value of a topic of keys deletes its key: every
// fourth does.
func IsTombstone(value int64) bool { return mixed(value)>>32%4 == 0 }

// mixed is the finalizer of splitmix64.
func mixed(value int64) uint64 {
	x := uint64(value) + 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// KeyName is a key as records carry it.
func KeyName(key int64) []byte { return strconv.AppendInt([]byte("key-"), key, 10) }

// DressWrite is the header of a write: see WriteHeader.
func DressWrite(value int64) []byte { return binary.BigEndian.AppendUint64(nil, uint64(value)) }

// ParseWrite is the value of a record in a topic of keys, and what is wrong with
// what goes around it, "" if nothing. ok is false if nobody here wrote it.
func ParseWrite(keys int64, key, payload, header []byte) (value int64, flaw string, ok bool) {
	if len(header) != 8 {
		return None, "", false
	}
	value = int64(binary.BigEndian.Uint64(header))
	if value < 0 {
		return None, "", false
	}
	if want := KeyName(KeyOf(value, keys)); !bytes.Equal(key, want) {
		return value, fmt.Sprintf("its key is %q, not %q", key, want), true
	}
	if IsTombstone(value) {
		if payload != nil {
			return value, fmt.Sprintf("it has a value of %d bytes and is a tombstone", len(payload)), true
		}
		return value, "", true
	}
	if was, ok := ParsePayload(payload); !ok || was != value {
		return value, "its value is not the one that was written", true
	}
	return value, "", true
}
