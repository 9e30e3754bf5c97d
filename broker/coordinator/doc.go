// Package coordinator runs state machines over the partitions of an internal
// topic: consumer groups over __consumer_offsets, and whatever else keeps its
// state as Kafka's coordinators do. The leader of a partition is the
// coordinator of what hashes to it.
//
// The user brings a [Machine], the pure part: given its state, an instant and a
// request it decides which records are to be written and who is to be
// answered. The [Runtime] does the rest. Each partition that this broker leads
// is a shard, with a machine and one task of its own, in which everything
// happens in turns, one after another:
//
//	request ─▶ step(state, instant) ─▶ Turn ─▶ append to the local log ─▶ Applied ─▶ … committed ─▶ answers
//
// What holds:
//
//   - Load. A shard first replays the log as it was when this broker began to
//     lead, once all of it is committed; requests are COORDINATOR_LOAD_IN_PROGRESS
//     until then. A record that the machine cannot read is stepped over.
//   - Order. A decision and its records are one turn. Nobody decides between
//     them, so the records stand in the log in the order of the decisions, and
//     no decision is made on a state that a record ahead of it has changed.
//   - State. A step changes nothing that records say. That changes in Applied,
//     when the records are in the local log: the state is that of the log's end,
//     committed or not, and the next step sees it. Nothing is ever rolled back,
//     since a record that was refused was not applied, and one that is in the
//     log goes only if the leadership goes, and the whole shard with it. What no
//     record says (who waits, when a session ends) a step may change.
//   - Answers. Whoever is answered sees only what is committed: the answers of a
//     turn are held back until its records are, and whatever else it says it
//     rests on ([Turn.After]). If that takes longer than
//     [Config.AnswerTimeout] they become REQUEST_TIMED_OUT, which leaves open
//     whether the records will be committed. They stay applied.
//   - Reads. [Runtime.Read] has a record of no meaning appended first. It can
//     only be committed while nobody else leads, so what is read is the newest
//     there is. Reads that wait at the same time share one.
//   - Transactions. The records of a turn may be part of a producer's
//     transaction, and a turn may end one by a marker. What is pending is the
//     machine's to know: it sees records and markers in the order of the log,
//     as they are applied and as they are replayed.
//   - Fencing. A shard belongs to one leader epoch. Its appends are refused in
//     any other, and when the epoch is over everyone who waits is told
//     NOT_COORDINATOR.
//
// Compared with Kafka's CoordinatorRuntime, which applies records before it
// appends them, batches many turns into one append and undoes them with
// timeline data structures if it fails: here an append is one turn, and there
// is nothing to undo.
//
// No lock is held during an append, a load or a step.
package coordinator
