// Package coverage says which functions of the broker a campaign never reached.
//
// A program that was built with Go's coverage counters in it (make coverbuild)
// leaves a directory of counters behind; [Functions] reads any number of them as
// one, with the Go command's covdata tool. What is never reached is either a
// hole in the campaign, which asks for a program, a setting or a fault that
// leads there, or cannot be reached in a simulation: that is what [Reasons] is
// for, a list with a reason for each. [Judge] puts the two together.
package coverage
