package share

import (
	"encoding/base64"
	"strconv"
	"strings"
)

// ParseKey reads what [Key.String] writes; a group's name may have colons in it. ok is
// false if it is no such name.
func ParseKey(name string) (key Key, ok bool) {
	rest, number, ok := cutLast(name)
	if !ok {
		return Key{}, false
	}
	group, id, ok := cutLast(rest)
	if !ok || strings.TrimSpace(group) == "" {
		return Key{}, false
	}
	partition, err := strconv.ParseInt(number, 10, 32)
	if err != nil {
		return Key{}, false
	}
	topic, err := base64.RawURLEncoding.DecodeString(id)
	if err != nil || len(topic) != len(key.Topic) {
		return Key{}, false
	}
	key.Group, key.Partition = group, int32(partition)
	copy(key.Topic[:], topic)
	return key, true
}

func cutLast(s string) (before, after string, ok bool) {
	i := strings.LastIndexByte(s, ':')
	if i < 0 {
		return "", "", false
	}
	return s[:i], s[i+1:], true
}
