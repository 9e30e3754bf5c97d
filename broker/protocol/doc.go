// Package protocol frames and dispatches Kafka's wire protocol.
//
// A frame is a four-byte length followed by a header and a message. The
// messages themselves are encoded and decoded by the franz-go kmsg codec; this
// package owns what surrounds them:
//
//   - [ReadFrame] bounds a frame before a byte of it is stored.
//   - [Table] lists the APIs a server answers: in which versions, on which
//     kinds of listeners, and what a client needs leave for. It is the body of
//     the ApiVersions answer, and nothing outside it is dispatched.
//   - [Server] accepts connections on a listener, bounds how many there are, how
//     long they may idle and how long a peer may take to send a request or to
//     take an answer.
//   - [Memory] is what all connections of a broker may hold of requests and of
//     answers between them. What a request decodes to is known before it is
//     decoded: schema.go walks over it by the schema of its kind, without taking
//     any memory.
//   - [Session] is what is known of a connection: who it is and acts for. It
//     comes with every [Call].
//   - A connection's requests are done one after the other and answered in
//     order, as Kafka does it: a client may send ahead, but the next request is
//     looked at only when the previous one has been answered. An API may allow
//     more, by being begun and finished apart ([API].Begin): Produce appends in
//     the order of requests, and while it waits for replicas the next Produce
//     is appended already.
//   - [Client] is the plain caller that brokers use among themselves: one
//     request at a time.
//
// Bytes that do not decode end the connection they came on, and nothing else,
// with an Event that says what was wrong; of many such only some are told
// (env.Complaints).
package protocol
