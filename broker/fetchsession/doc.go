// Package fetchsession remembers for clients what they fetch, so that they need
// not say it each time (KIP-227).
//
// A fetch with session epoch 0 lists partitions and asks for a session. If there
// is room for one, the answer names it, and the fetches that follow list only
// what has changed: partitions that are new or have another position, and those
// that are forgotten. Their answers leave out partitions of which there is
// nothing new to tell. A long poll over a thousand quiet partitions becomes a
// few bytes.
//
// The broker itself knows nothing of this. [Cache.Open] makes of a request the
// [Turn] that it is: Turn.Request is the same request as if it were full, and
// [Turn.Settle] makes of the full answer the one that is sent:
//
//	request ─▶ Open ─▶ Turn.Request ─▶ (the broker fetches) ─▶ full answer ─▶ Settle ─▶ answer
//
// # Rules
//
//   - Each fetch of a session has the epoch after that of the one before, 1
//     after math.MaxInt32. Another one is INVALID_FETCH_SESSION_EPOCH and changes
//     nothing: the client may have given an answer up that was under way.
//   - Epoch 0 or -1 ends the session that the request names, if any.
//   - A session goes by topic names or by topic ids, as it began (Fetch v13).
//   - A partition is in an answer if it has records, an error, a diverging
//     epoch, a preferred replica, or another high watermark or log start than
//     the client was told last. After an error all of it is told again.
//   - Partitions that brought records go to the end: the next answer is filled
//     with the others first.
//
// # Bounds
//
// The cache holds max.incremental.fetch.session.cache.slots sessions and 64 MiB,
// some 250,000 partitions, in all of them. Where there is no room a client is
// answered in full, without a session, or makes room: a session goes that has
// been used by nobody for two minutes, or, once it is as old as that, one of
// fewer partitions. Followers' sessions yield to other followers' only. Whoever
// comes back to a session that is gone is told so with
// FETCH_SESSION_ID_NOT_FOUND, and begins another.
package fetchsession
