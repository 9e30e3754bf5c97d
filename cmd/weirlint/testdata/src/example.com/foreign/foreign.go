// Package foreign stands for code from elsewhere that nobody has read.
package foreign

// State can be changed from anywhere.
var State int
