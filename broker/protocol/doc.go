// Package protocol frames and dispatches Kafka's wire protocol.
//
// A frame is a four-byte length followed by a header and a message. The
// messages themselves are encoded and decoded by the franz-go kmsg codec; this
// package owns what surrounds them:
//
//   - [ReadFrame] bounds a frame before a byte of it is stored.
//   - [Table] lists the APIs a server answers and in which versions. It is the
//     body of the ApiVersions answer, and nothing outside it is dispatched.
//   - [Server] runs one task per connection. A connection's requests are
//     handled one after the other and answered in order, as Kafka does it: a
//     client may send ahead, but the next request is looked at only when the
//     previous one has been answered. That is what keeps a pipelining
//     producer's batches in order.
//   - [Client] is the plain caller that brokers use among themselves: one
//     request at a time.
//
// Bytes that do not decode end the connection they came on, with an Event that
// says what was wrong, and nothing else.
package protocol
