package metadata

// maxTopicNameBytes leaves room for "-" and a partition number in a file name.
const maxTopicNameBytes = 249

// ValidTopicName reports whether Kafka allows a topic of that name: 1 to 249
// of a-z, A-Z, 0-9, '.', '_' and '-', but neither "." nor "..".
func ValidTopicName(name string) bool {
	if name == "" || name == "." || name == ".." || len(name) > maxTopicNameBytes {
		return false
	}
	for i := 0; i < len(name); i++ {
		c := name[i]
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '.' || c == '_' || c == '-') {
			return false
		}
	}
	return true
}
