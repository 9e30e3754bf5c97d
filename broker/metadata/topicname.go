package metadata

import "fmt"

// maxTopicNameBytes leaves room for "-" and a partition number in a file name.
const maxTopicNameBytes = 249

// CheckTopicName says why Kafka allows no topic of that name, in its words, or
// nil: 1 to 249 of a-z, A-Z, 0-9, '.', '_' and '-', but neither "." nor "..".
func CheckTopicName(name string) error {
	switch {
	case name == "":
		return fmt.Errorf("Topic name is invalid: the empty string is not allowed") //nolint:staticcheck // Kafka's own words, as below
	case name == "." || name == "..":
		return fmt.Errorf("Topic name is invalid: '%s' is not allowed", name) //nolint:staticcheck
	case len(name) > maxTopicNameBytes:
		return fmt.Errorf("Topic name is invalid: the length of '%s' is longer than the max allowed length %d", name, maxTopicNameBytes) //nolint:staticcheck
	}
	for i := 0; i < len(name); i++ {
		switch c := name[i]; {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '.', c == '_', c == '-':
		default:
			return fmt.Errorf("Topic name is invalid: '%s' contains one or more characters other than ASCII alphanumerics, '.', '_' and '-'", name) //nolint:staticcheck
		}
	}
	return nil
}
