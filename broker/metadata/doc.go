// Package metadata is what a cluster knows about itself: its brokers, topics,
// partitions, configurations and producer-id blocks.
//
// The truth is a log of [Record] values kept by the metadata quorum (package
// controller/quorum, after KIP-500 and KIP-595). An [Image] is the fold of a
// prefix of that log. Images are immutable: applying records gives a new Image
// that shares what did not change, so a reader may hold one for as long as it
// likes, without locks, and compare it with a later one by pointer.
//
// An image can be turned into records again ([Image.Records]), which is what a
// snapshot holds, and [Between] finds what differs between two images where
// nobody saw the records between them.
//
// Applying records also gives a [Delta], the list of what changed, so that a
// broker with thousands of partitions looks only at the ones concerned.
//
// The package is pure data: no clock, no I/O, no tasks. Everything that walks
// a map walks it in order, so equal logs give equal bytes everywhere.
//
// Records are written as Kafka's (kafkaformat.go), so a metadata log can be read
// with kafka-dump-log --cluster-metadata-decoder. Each record type states the
// whole new value of the thing it describes, never a difference: a reader of the
// log sees what a partition looked like without replaying what came before.
package metadata
