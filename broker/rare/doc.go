// Package rare is the registry of the points at which the broker has something
// rare but legal happen when a simulation wants it ("buggify", after
// FoundationDB's word for it).
//
// A point is a call to a method of [env.Lab] with a constant name,
// "storage/roll-early": the package that it is in and what it does. [Points]
// lists all of them; a test holds that the list and the code are the same, and
// another that campaigns reach every one. "weir buggify" prints the list.
//
// # The rules
//
// Points search where circumstances seldom lead, and are therefore worth as much
// as they are harmless:
//
//   - What a point does, the contract of the code around it allows at any time,
//     and the comment at the point says why. A point that breaks a promise is
//     not rare but wrong; wrong code on purpose is a planted bug, which is
//     another thing (package faults).
//   - A point fires at most now and then: no point may stand in the way of
//     progress for ever, so none says yes every time, and a delay is short
//     beside the time-outs of whoever waits for it. What costs a connection, a sync or a
//     time-out is asked for with [env.Lab.Seldom]: a follower that loses one of
//     four answers, and pauses after each, never catches up.
//   - A point draws nothing but from its own stream. A name once given stays:
//     renaming a point makes another of it.
//   - Nothing is asked in a pure step function. Points are in the tasks that
//     run one: they bring inputs late, split or repeat them, and drop messages
//     that may be lost.
//
// Whether a seed has a point at all, at which rate, and when it fires is drawn
// by package sim. On the operating system none fires.
package rare
