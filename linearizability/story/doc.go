// Package story says why a run failed: it takes a finding and what is known of
// the run, and tells in five to fifteen steps how it came to it.
//
// # What it is told
//
// A [Case] is a finding with the evidence around it: the history, the lines of
// events.jsonl, and, from a run that was looked at closely, [Sighting]s (how each
// replica of the partition stood, at every change) and [Message]s (the requests
// and answers that were about it, with when they arrived). Everything may be
// missing but the finding; the story then has fewer steps.
//
// # What it tells
//
// [Tell] follows one record, the first that is gone or another: who sent it,
// which leader appended it in which epoch, who copied it and who did not, when
// it was committed and acknowledged; then the faults, the elections and the
// changes of the ISR since; who cut it from its log or came back without it, and
// what that broker believed; and what was written in its place. A step at which
// something happened that Kafka rules out, such as a record being committed that
// a member of the ISR does not hold, is marked as wrong. It says what was, never
// why the code did it: the first step that is wrong is where to look.
package story
