// Package drawn holds values that a file may leave to a seed.
//
// A value is written as alternatives with " | " between them, and an
// alternative of a number or a length of time may be a range "lo..hi", both
// ends included:
//
//	partitions: 1 | 3..8
//	every: 200ms | 1s..5s
//
// Each alternative is as likely as every other, and in a range each value; to
// make one likelier it is written twice. What is drawn comes from a stream that
// the caller keys ([env.NewRand]), so that drawing one value more leaves all
// others as they were.
//
// A value that is one number, length or word is exact: drawing it changes
// nothing, and takes nothing from the stream.
package drawn
