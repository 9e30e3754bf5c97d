// Package regress compares the speed of two builds of the broker on a machine
// that is not quiet, and says whether the newer one is slower.
package regress
